// The real program from outside: it scrapes an exporter and itself, answers, alerts, reloads,
// stops, and still has everything after a restart.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/mutex.h"
#include "server/http_server.h"

namespace deckwatch::server {
namespace {

using testing::HasSubstr;
using testing::Not;

// Repeats `done` until it is true; false after half a minute.
bool Eventually(const std::function<bool()>& done) {
  Mutex mutex;
  CondVar never;
  const int64_t end_ms = Clock::Real()->MonotonicMs() + 30'000;
  while (!done()) {
    if (Clock::Real()->MonotonicMs() > end_ms) return false;
    MutexLock lock(mutex);
    never.WaitFor(mutex, {}, 20, [] { return false; });
  }
  return true;
}

// A running deckwatch; its standard error is kept in a file.
class Program {
 public:
  Program(const std::vector<std::string>& args, const std::string& log) : log_(log) {
    std::filesystem::remove(log);  // of an earlier run: its port would be taken for ours
    pid_ = fork();
    if (pid_ == 0) {
      const int fd = open(log.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
      dup2(fd, STDERR_FILENO);
      dup2(fd, STDOUT_FILENO);
      std::vector<char*> argv = {const_cast<char*>(DECKWATCH_PROGRAM)};
      for (const std::string& a : args) argv.push_back(const_cast<char*>(a.c_str()));
      argv.push_back(nullptr);
      execv(DECKWATCH_PROGRAM, argv.data());
      _exit(127);
    }
  }
  ~Program() {
    if (pid_ > 0) kill(pid_, SIGKILL);
    Wait();
  }
  void Signal(int signal) { kill(pid_, signal); }
  // The exit code; 128 + signal when a signal ended it.
  int Wait() {
    if (pid_ <= 0) return -1;
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string Log() const {
    std::ifstream in(log_);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  // The port it chose; "" while it is not ready.
  std::string Port() const {
    const std::string log = Log();
    const size_t ready = log.find("ready to receive requests");
    const size_t port = log.find("port=", ready == std::string::npos ? log.size() : ready);
    if (port == std::string::npos) return "";
    return log.substr(port + 5, log.find_first_not_of("0123456789", port + 5) - port - 5);
  }

 private:
  std::string log_;
  pid_t pid_ = -1;
};

class ProgramTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "program_test_" + std::to_string(getpid());
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_ + "/rules");
    // The exporter, the receiver of alerts and an Alertmanager in one.
    peer_ = std::move(HttpServer::Create({})).value();
    peer_->Route("GET", "/metrics", Lane::kControl, [this](const Request&, Response* out) {
      out->Text(200, "# TYPE fake_value gauge\nfake_value " + std::to_string(value_.load()) + "\n");
    });
    peer_->Route("POST", "/hook", Lane::kControl, [this](const Request& r, Response* out) {
      MutexLock lock(mutex_);
      hooks_.push_back(r.body);
      out->Text(200, "");
    });
    peer_->Route("POST", "/am/api/v2/alerts", Lane::kControl,
                 [this](const Request& r, Response* out) {
                   MutexLock lock(mutex_);
                   alerts_.push_back(r.body);
                   out->Text(200, "");
                 });
    peer_->Start();
    const std::string port = std::to_string(peer_->ports()[0]);
    WriteFile("prometheus.yml",
              Configuration("[\"127.0.0.1:" + port + "\"]") +
                  "alerting: {alertmanagers: [{path_prefix: am, static_configs: [{targets: ["
                  "\"127.0.0.1:" +
                  port + "\"]}]}]}\n");
    WriteFile("rules/a.yml",
              "groups: [{name: g, rules: [{record: fake:doubled, expr: fake_value * 2},\n"
              "  {alert: High, expr: fake_value > 40, labels: {severity: page}}]},\n"
              " {name: early, rules: [{record: fake:tripled, expr: fake_value * 3}]}]\n");
    WriteFile("alertmanager.yml",
              "route: {receiver: hook, group_wait: 10ms, group_interval: 100ms}\n"
              "receivers: [{name: hook, webhook_configs: [{url: 'http://127.0.0.1:" +
                  port + "/hook'}]}]\n");
  }
  void TearDown() override {
    peer_.reset();
    std::filesystem::remove_all(dir_);
  }

  static std::string Configuration(const std::string& targets) {
    return "global: {scrape_interval: 100ms, evaluation_interval: 100ms}\n"
           "rule_files: ['rules/*.yml']\n"
           "scrape_configs:\n"
           "  - {job_name: fake, static_configs: [{targets: " +
           targets +
           "}]}\n"
           "  - {job_name: self, static_configs: [{targets: ['deckwatch://self']}]}\n";
  }
  void WriteFile(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name) << text;
  }
  std::unique_ptr<Program> Start() {
    auto program = std::make_unique<Program>(
        std::vector<std::string>{"--config.file=" + dir_ + "/prometheus.yml",
                                 "--alertmanager.config.file=" + dir_ + "/alertmanager.yml",
                                 "--storage.tsdb.path=" + dir_ + "/data",
                                 "--web.listen-address=127.0.0.1:0", "--web.enable-lifecycle"},
        dir_ + "/log");
    EXPECT_TRUE(Eventually([&] { return !program->Port().empty(); })) << program->Log();
    url_ = "http://127.0.0.1:" + program->Port();
    return program;
  }
  HttpResponse Do(const std::string& method, const std::string& target) {
    HttpRequest request;
    request.method = method;
    request.url = url_ + target;
    auto r = client_.Do(request);
    return r.ok() ? *r : HttpResponse{};
  }
  // The value of a query's only series; "" when there is none.
  std::string Query(const std::string& query) {
    const auto json = Json::Parse(Do("GET", "/api/v1/query?query=" + UrlEncode(query)).body);
    if (!json.ok() || (*json)["data"]["result"].AsArray().size() != 1) return "";
    return (*json)["data"]["result"].AsArray()[0]["value"].AsArray()[1].AsString();
  }
  // How many of the bodies that came to the receiver, or to the Alertmanager, hold `text`.
  size_t Hooks(std::string_view text) {
    MutexLock lock(mutex_);
    return CountWith(text, hooks_);
  }
  size_t Alerts(std::string_view text) {
    MutexLock lock(mutex_);
    return CountWith(text, alerts_);
  }
  static size_t CountWith(std::string_view text, const std::vector<std::string>& bodies) {
    return static_cast<size_t>(std::count_if(
        bodies.begin(), bodies.end(),
        [&](const std::string& body) { return body.find(text) != std::string::npos; }));
  }

  std::string dir_;
  std::atomic<int> value_{21};
  Mutex mutex_;
  std::vector<std::string> hooks_ GUARDED_BY(mutex_);
  std::vector<std::string> alerts_ GUARDED_BY(mutex_);
  std::unique_ptr<HttpServer> peer_;
  HttpClient client_{HttpClientConfig{}};
  std::string url_;
};

TEST_F(ProgramTest, ScrapesAnswersAlertsReloadsAndKeepsItsDataOverARestart) {
  auto program = Start();
  EXPECT_EQ(Do("GET", "/-/healthy").status, 200);
  EXPECT_TRUE(Eventually([&] { return Query("fake_value") == "21"; })) << program->Log();
  EXPECT_TRUE(Eventually([&] { return Query("fake:doubled") == "42"; })) << program->Log();
  EXPECT_TRUE(Eventually([&] { return Query("prometheus_ready") == "1"; })) << program->Log();
  EXPECT_TRUE(Eventually([&] { return Query("sum(up)") == "2"; })) << program->Log();

  value_ = 50;
  EXPECT_TRUE(Eventually([&] { return Hooks("\"status\":\"firing\"") > 0; })) << program->Log();
  EXPECT_TRUE(Eventually([&] { return Alerts("\"alertname\":\"High\"") > 0; })) << program->Log();
  EXPECT_THAT(Do("GET", "/api/v1/alertmanagers").body,
              HasSubstr("/am/api/v2/alerts\"}],\"droppedAlertmanagers\":[]"));
  EXPECT_TRUE(Eventually([&] { return Query("prometheus_notifications_sent_total") == "1"; }));
  EXPECT_THAT(Do("GET", "/api/v1/alerts").body, HasSubstr("\"state\":\"firing\""));
  const std::string rules = Do("GET", "/api/v1/rules").body;
  EXPECT_LT(rules.find("\"name\":\"early\""), rules.find("\"name\":\"g\""));
  EXPECT_THAT(Do("GET", "/api/v1/rules?type=alert&exclude_alerts=true").body,
              AllOf(Not(HasSubstr("early")), HasSubstr("\"alerts\":null")));
  value_ = 1;
  EXPECT_TRUE(Eventually([&] { return Hooks("\"status\":\"resolved\"") > 0; })) << program->Log();

  // A broken configuration is refused and changes nothing; a good one is taken whole.
  WriteFile("prometheus.yml", "scrape_configs: [{job: x}]\n");
  const HttpResponse refused = Do("POST", "/-/reload");
  EXPECT_EQ(refused.status, 500);
  EXPECT_THAT(refused.body, HasSubstr("prometheus.yml:1"));
  EXPECT_THAT(Do("GET", "/api/v1/targets").body, HasSubstr("\"scrapePool\":\"fake\""));
  WriteFile("prometheus.yml", Configuration("[]"));
  EXPECT_EQ(Do("POST", "/-/reload").status, 200);
  EXPECT_TRUE(Eventually([&] { return Query("sum(up)") == "1"; })) << program->Log();
  EXPECT_THAT(Do("GET", "/api/v1/alertmanagers").body, HasSubstr("\"activeAlertmanagers\":[]"));

  program->Signal(SIGTERM);
  EXPECT_EQ(program->Wait(), 0) << program->Log();
  program = Start();
  EXPECT_EQ(Query("max_over_time(fake_value[1h])"), "50");
  EXPECT_EQ(Query("count(count_over_time(fake:doubled[1h]) > 1)"), "1");
  program->Signal(SIGINT);
  EXPECT_EQ(program->Wait(), 0) << program->Log();
}

TEST_F(ProgramTest, RefusesToStartOnABrokenConfiguration) {
  WriteFile("prometheus.yml", "global: {scrape_intervall: 1s}\n");
  Program program({"--config.file=" + dir_ + "/prometheus.yml",
                   "--storage.tsdb.path=" + dir_ + "/data", "--web.listen-address=127.0.0.1:0"},
                  dir_ + "/log");
  EXPECT_EQ(program.Wait(), 2);
  EXPECT_THAT(program.Log(), HasSubstr("scrape_intervall"));
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/data"));
}

TEST_F(ProgramTest, ChecksFilesWithPromtoolsExitCodes) {
  const auto run = [&](const std::vector<std::string>& args) {
    return Program(args, dir_ + "/log").Wait();
  };
  EXPECT_EQ(run({"check", "config", dir_ + "/prometheus.yml"}), 0);
  EXPECT_EQ(run({"check", "rules", dir_ + "/rules/a.yml"}), 0);
  EXPECT_EQ(run({"check", "alertmanager", dir_ + "/alertmanager.yml"}), 0);
  EXPECT_EQ(run({"check", "config", std::string(PROJECT_DIR) + "/examples/prometheus.yml"}), 0);
  EXPECT_EQ(run({"check", "alertmanager", std::string(PROJECT_DIR) + "/examples/alertmanager.yml"}),
            0);
  WriteFile("rules/a.yml", "groups: [{name: g, rules: [{alert: A, expr: 'sum('}]}]\n");
  EXPECT_EQ(run({"check", "rules", dir_ + "/rules/a.yml"}), 1);
  EXPECT_EQ(run({"check", "config", dir_ + "/prometheus.yml"}), 1);
  EXPECT_EQ(run({"query", "instant", "http://127.0.0.1:1", "up"}), 1);
  EXPECT_EQ(run({"--nonsense"}), 2);
}

TEST_F(ProgramTest, ImportsAndExportsText) {
  const auto run = [&](const std::vector<std::string>& args) {
    return Program(args, dir_ + "/log").Wait();
  };
  const std::string text = "# TYPE a gauge\na{b=\"c\"} 1 1600000000.5\n# EOF\n";
  WriteFile("in.txt", text);
  const std::string store = "--storage.tsdb.path=" + dir_ + "/imported";
  EXPECT_EQ(run({"tsdb", "export", "openmetrics", dir_ + "/imported"}), 1);  // no store there
  EXPECT_EQ(run({"tsdb", "import", "openmetrics", dir_ + "/in.txt", store}), 0);
  for (const auto& args : std::vector<std::vector<std::string>>{
           {"tsdb", "import", "openmetrics", dir_ + "/in.txt", store},
           {"tsdb", "verify", dir_ + "/imported"},
           {"tsdb", "snapshot", dir_ + "/imported"}}) {
    Program program(args, dir_ + "/log");
    EXPECT_EQ(program.Wait(), 0) << args[1];
    EXPECT_THAT(program.Log(), Not(HasSubstr("level="))) << args[1];  // nothing to warn of
  }
  EXPECT_EQ(run({"tsdb", "export", "openmetrics", dir_ + "/imported", "-o", dir_ + "/out.txt"}), 0);
  std::ifstream out(dir_ + "/out.txt");
  EXPECT_EQ((std::string{std::istreambuf_iterator<char>(out), {}}), text);
  for (const auto& e : std::filesystem::directory_iterator(dir_ + "/imported/parts")) {
    if (e.path().extension() == ".sst") std::filesystem::remove(e.path());
  }
  Program incomplete({"tsdb", "export", "openmetrics", dir_ + "/imported"}, dir_ + "/log");
  EXPECT_EQ(incomplete.Wait(), 1);
  EXPECT_THAT(incomplete.Log(), HasSubstr("the text is without the samples that are lost"));
  WriteFile("in.txt", "a 1\n# EOF\n");
  EXPECT_EQ(run({"tsdb", "import", "openmetrics", dir_ + "/in.txt", store}), 1);
  EXPECT_EQ(run({"tsdb", "import", "json", dir_ + "/in.txt", store}), 2);
  EXPECT_EQ(run({"tsdb", "undelete", dir_ + "/imported", "1"}), 1);
}

}  // namespace
}  // namespace deckwatch::server
