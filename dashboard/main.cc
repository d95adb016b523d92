// deckwatch-desktop [URL…]: the window. deckwatch-desktop render …: one picture of it.
#include <cstdio>

#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "base/http_client.h"
#include "dashboard/render.h"
#include "dashboard/window.h"

namespace deckwatch::dashboard {
namespace {

constexpr const char* kDefaultServer = "http://127.0.0.1:9090";

Status CheckServers(std::vector<std::string>* servers) {
  if (servers->empty()) servers->push_back(kDefaultServer);
  for (std::string& url : *servers) {
    if (url.find("://") == url.npos) url = "http://" + url;
    while (!url.empty() && url.back() == '/') url.pop_back();
    if (const auto parsed = Url::Parse(url); !parsed.ok()) return parsed.status();
  }
  return Status::Ok();
}

struct Arguments {
  AppOptions app;
  RenderOptions render;
  std::string view = "health", range, wait = "10s", size = "1920x1080";
};

Status ApplyCommon(Arguments* a) {
  TRY(CheckServers(&a->app.servers));
  a->app.view = a->view == "explore" ? ViewKind::kExplore : ViewKind::kHealth;
  if (!a->range.empty()) {
    TRY_ASSIGN(a->app.range_ms, ParseDurationMs(a->range));
  }
  return Status::Ok();
}

Status RunRender(Arguments* a, const Transport& transport) {
  TRY(ApplyCommon(a));
  TRY_ASSIGN(a->render.wait_ms, ParseDurationMs(a->wait));
  constexpr int kMaxPixels = 16'384;
  if (std::sscanf(a->size.c_str(), "%dx%d", &a->render.width, &a->render.height) != 2 ||
      a->render.width < 320 || a->render.height < 200 || a->render.width > kMaxPixels ||
      a->render.height > kMaxPixels) {
    return Status::InvalidArgument("--size " + a->size + ": expected like 1920x1080");
  }
  a->render.app = a->app;
  return RenderPicture(a->render, transport, Clock::Real());
}

int Main(int argc, char** argv) {
  Arguments a;
  CLI::App cli("Deckwatch desktop: dashboards of Prometheus-compatible servers");
  cli.set_version_flag("--version", DECKWATCH_VERSION);
  const auto add_common = [&a](CLI::App* app) {
    app->add_option("--view", a.view, "health or explore")
        ->check(CLI::IsMember({"health", "explore"}));
    app->add_option("--query", a.app.query, "expression of the explore view");
    app->add_option("--range", a.range, "time to show, like 1h; default: what the server has");
  };
  add_common(&cli);
  cli.add_option("URL", a.app.servers, "servers; default http://127.0.0.1:9090");
  CLI::App* render = cli.add_subcommand("render", "write one picture, no display needed");
  add_common(render);
  render->add_option("--server", a.app.servers, "server to ask");
  render->add_option("--size", a.size, "pixels, like 1920x1080");
  render->add_option("--scale", a.render.scale, "pixels per point")->check(CLI::Range(0.5, 4.0));
  render->add_option("--wait", a.wait, "how long to wait for a server that starts, like 30s");
  render->add_option("--out", a.render.out, "PNG file")->required();
  CLI11_PARSE(cli, argc, argv);

  HttpClient client{HttpClientConfig{}};
  const Transport transport = [&client](const HttpRequest& r) { return client.Do(r); };
  Status status = Status::Ok();
  if (render->parsed()) {
    status = RunRender(&a, transport);
  } else {
    status = ApplyCommon(&a);
    if (status.ok()) status = RunWindow(a.app, transport, Clock::Real());
  }
  if (status.ok()) return 0;
  std::fprintf(stderr, "deckwatch-desktop: %s\n", status.message().c_str());
  return 1;
}

}  // namespace
}  // namespace deckwatch::dashboard

int main(int argc, char** argv) {
  return deckwatch::dashboard::Main(argc, argv);
}
