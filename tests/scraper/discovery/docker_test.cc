#include <atomic>

#include <gmock/gmock.h>

#include "scraper/discovery/docker_targets.h"
#include "scraper/discovery/mechanisms.h"
#include "scraper/discovery/meta_labels.h"
#include "tests/scraper/discovery/discovery_testing.h"

namespace deckwatch::scraper {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

struct Engine {
  Json containers, networks;
  explicit Engine(const std::string& name)
      : containers(ReadTestJson("docker/" + name + "/containers.json")),
        networks(ReadTestJson("docker/" + name + "/networks.json")) {}
};

const Json& Expected(std::string_view job) {
  static const Json* const all = new Json(ReadTestJson("docker/expected-labels.json"));
  return (*all)[job];
}

// The recorded jobs were configured with this.
DockerTargetOptions RecordedOptions() {
  DockerTargetOptions options;
  options.host_networking_host = "10.97.0.2";
  return options;
}

TEST(DockerTargets, EqualPrometheusOnARealEngine) {
  const Engine engine("engine-28.5.2");
  EXPECT_EQ(Texts(DockerTargets(engine.containers, engine.networks, RecordedOptions())),
            ExpectedTexts(Expected("docker")));
}

TEST(DockerTargets, EqualPrometheusWithAllNetworks) {
  const Engine engine("engine-28.5.2");
  DockerTargetOptions options = RecordedOptions();
  options.match_first_network = false;
  EXPECT_EQ(Texts(DockerTargets(engine.containers, engine.networks, options)),
            ExpectedTexts(Expected("docker-nomatchfirst")));
}

TEST(DockerTargets, EqualPrometheusOnPodman) {
  const Engine engine("podman-4.3.1");
  EXPECT_EQ(Texts(DockerTargets(engine.containers, engine.networks, {})),
            ExpectedTexts(Expected("podman")));
}

TEST(DockerTargets, SurvivesContainersThatShareTheNetworkOfEachOther) {
  auto containers = Json::Parse(R"([
    {"Id":"a","Names":["/a"],"HostConfig":{"NetworkMode":"container:b"}},
    {"Id":"b","Names":["/b"],"HostConfig":{"NetworkMode":"container:a"}},
    {"Id":"c","Names":["/c"],"HostConfig":{"NetworkMode":"container:gone"}}])");
  ASSERT_TRUE(containers.ok());
  EXPECT_TRUE(DockerTargets(*containers, Json(), {}).empty());
}

TEST(DockerTargets, SurvivesAnyJson) {
  for (const char* text : {"null", "3", "[null]", "[{}]", R"([{"Names":[3]}])",
                           R"([{"Names":["/x"],"NetworkSettings":{"Networks":{"n":7}}}])",
                           R"([{"Names":["/x"],"Ports":{},"Labels":[],"NetworkSettings":3}])"}) {
    auto json = Json::Parse(text);
    ASSERT_TRUE(json.ok()) << text;
    DockerTargets(*json, *json, {});
  }
}

TEST(DockerDiscovery, AsksTheEngineAndFiltersThere) {
  const Engine engine("engine-28.5.2");
  std::string filters;
  TestServer server([&](httplib::Server& s) {
    s.Get("/containers/json", [&](const httplib::Request& q, httplib::Response& r) {
      filters = q.get_param_value("filters");
      r.set_content(engine.containers.Dump(), "application/json");
    });
    s.Get("/networks", [&](const httplib::Request&, httplib::Response& r) {
      r.set_content(engine.networks.Dump(), "application/json");
    });
  });
  RunningDiscovery running(ParseDockerConfig,
                           "host: " + server.url() +
                               "\nhost_networking_host: 10.97.0.2\n"
                               "filters: [{name: label, values: [app=web, b]}]\n");
  EXPECT_EQ(running.WaitForCount(15), ExpectedTexts(Expected("docker")));
  running.Stop();
  EXPECT_EQ(filters, R"({"label":["app=web","b"]})");
}

TEST(DockerDiscovery, KeepsTargetsWhileTheEngineFails) {
  const Engine engine("engine-28.5.2");
  std::atomic<int> calls = 0;
  TestServer server([&](httplib::Server& s) {
    s.Get("/containers/json", [&](const httplib::Request&, httplib::Response& r) {
      const int call = ++calls;
      r.set_content(call == 1  ? engine.containers.Dump()
                    : call < 5 ? "nonsense"
                               : "[]",
                    "application/json");
      if (call == 2) r.status = 500;
    });
    s.Get("/networks", [&](const httplib::Request&, httplib::Response& r) {
      r.set_content(engine.networks.Dump(), "application/json");
    });
  });
  RunningDiscovery running(ParseDockerConfig,
                           "host: " + server.url() + "\nrefresh_interval: 1ms\n");
  EXPECT_EQ(running.WaitForCount(15).size(), 15u);
  EXPECT_EQ(running.WaitForCount(0).size(), 0u);
  EXPECT_GE(calls.load(), 5);  // the failures in between took nothing away
  EXPECT_EQ(running.deliveries(), 2);
}

TEST(DockerConfig, RefusesBadSectionsNamingLineAndKey) {
  EXPECT_THAT(ParseError(ParseDockerConfig, "port: 1\n"), HasSubstr("host is missing"));
  EXPECT_THAT(ParseError(ParseDockerConfig, "host: ftp://x\n"), HasSubstr("test.yml:1"));
  EXPECT_THAT(ParseError(ParseDockerConfig, "host: unix:///s\nhots: 3\n"), HasSubstr("hots"));
  EXPECT_THAT(ParseError(ParseDockerConfig, "host: unix:///s\nport: 70000\n"), HasSubstr("port"));
  EXPECT_THAT(ParseError(ParseDockerConfig, "host: unix:///s\nrefresh_interval: 0s\n"),
              HasSubstr("refresh_interval"));
  EXPECT_THAT(ParseError(ParseDockerConfig, "host: unix:///s\nfilters: [{values: [a]}]\n"),
              HasSubstr("name is missing"));
}

TEST(DockerConfig, KeyIsEqualForEqualMeaning) {
  const std::string a = KeyOf(ParseDockerConfig, "host: unix:///s\nport: 80\n");
  EXPECT_EQ(a, KeyOf(ParseDockerConfig, "port:   80   # note\nhost: unix:///s\n"));
  EXPECT_NE(a, KeyOf(ParseDockerConfig, "host: unix:///s\nport: 81\n"));
  EXPECT_NE(a, KeyOf(ParseDockerConfig, "host: unix:///s\nport: 80\n", "other/test.yml"));
}

TEST(MetaLabels, SanitizesByCharacter) {
  EXPECT_EQ(SanitizeLabelName("app.kubernetes.io/name"), "app_kubernetes_io_name");
  EXPECT_EQ(SanitizeLabelName("grün"), "gr_n");
  EXPECT_EQ(JoinHostPort("::1", "80"), "[::1]:80");
  EXPECT_EQ(JoinHostPort("", "80"), ":80");
}

}  // namespace
}  // namespace deckwatch::scraper
