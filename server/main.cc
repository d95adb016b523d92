// deckwatch: the server and its tools.
#include <cstdio>

#include <signal.h>

#include "base/heap.h"
#include "base/log.h"
#include "server/app.h"
#include "server/commands.h"
#include "server/flags.h"
#include "server/version.h"

namespace deckwatch::server {
namespace {

// Signals are taken by this thread alone, one after another: SIGHUP reloads, SIGINT and SIGTERM
// end the program.
int Serve(const ServeFlags& flags) {
  SetUpHeap();
  sigset_t signals;
  sigemptyset(&signals);
  for (const int s : {SIGHUP, SIGINT, SIGTERM}) sigaddset(&signals, s);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // inherited by every thread started later
  signal(SIGPIPE, SIG_IGN);
  ConfigureLog(flags.log_level, flags.log_format);
  LogInfo("Starting Deckwatch", {{"version", kVersion}});
  auto app = App::Start(flags);
  if (!app.ok()) {
    LogError("Cannot start", {{"err", app.status()}});
    return app.status().code() == StatusCode::kInvalidArgument ? 2 : 1;
  }
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal != SIGHUP) break;
    (void)(*app)->Reload();  // logged and counted there
  }
  LogInfo("Received a signal, exiting gracefully...");
  app->reset();
  LogInfo("See you next time!");
  return 0;
}

int Main(int argc, const char* const* argv) {
  const Invocation invocation = ParseCommandLine(argc, argv);
  switch (invocation.kind) {
    case Invocation::Kind::kServe: return Serve(invocation.serve);
    case Invocation::Kind::kTool: return RunTool(invocation.tool);
    case Invocation::Kind::kExit: break;
  }
  std::fputs(invocation.output.c_str(), invocation.exit_code == 0 ? stdout : stderr);
  return invocation.exit_code;
}

}  // namespace
}  // namespace deckwatch::server

int main(int argc, char** argv) {
  return deckwatch::server::Main(argc, argv);
}
