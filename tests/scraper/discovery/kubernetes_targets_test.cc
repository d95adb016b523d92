#include <gmock/gmock.h>

#include "scraper/discovery/kubernetes/targets.h"
#include "tests/scraper/discovery/discovery_testing.h"

namespace deckwatch::scraper::kubernetes {
namespace {

std::vector<Object> Snapshot(Kind kind) {
  std::vector<Object> out;
  const Json list =
      ReadTestJson("kubernetes/snapshot/" + std::string(InfoOf(kind).resource) + ".json");
  for (const Json& item : list["items"].AsArray()) out.push_back(ParseObject(kind, item));
  return out;
}

constexpr Kind kRecorded[] = {Kind::kNode,      Kind::kPod,           Kind::kService,
                              Kind::kEndpoints, Kind::kEndpointSlice, Kind::kIngress};

std::multiset<std::string> TextsOf(const std::vector<TargetGroup>& groups) {
  std::multiset<std::string> out;
  for (const TargetGroup& g : groups) {
    for (const Labels& l : FullTargets(g)) out.insert(l.ToString());
  }
  return out;
}

Mirror Filled(const TargetOptions& options) {
  Mirror mirror(options);
  for (const Kind kind : kRecorded) mirror.Replace(kind, "", Snapshot(kind));
  return mirror;
}

struct Job {
  const char* name;
  TargetOptions options;
};

class KubernetesTargets : public ::testing::TestWithParam<Job> {};

// The targets of one recorded job: positions in a table of label pairs, see the data's README.
std::multiset<std::string> Expected(const char* job) {
  static const Json* const recorded = new Json(ReadTestJson("kubernetes/expected-labels.json"));
  const Json::Array& pairs = (*recorded)["pairs"].AsArray();
  std::multiset<std::string> out;
  for (const Json& target : (*recorded)["jobs"][job].AsArray()) {
    LabelsBuilder b;
    for (const Json& position : target.AsArray()) {
      const Json::Array& pair = pairs.at(static_cast<size_t>(position.AsInt())).AsArray();
      b.Set(pair.at(0).AsString(), pair.at(1).AsString());
    }
    out.insert(b.Build().ToString());
  }
  EXPECT_FALSE(out.empty()) << job;
  return out;
}

TEST_P(KubernetesTargets, EqualPrometheus) {
  Mirror mirror = Filled(GetParam().options);
  EXPECT_EQ(TextsOf(mirror.TakeChanges()), Expected(GetParam().name));
}

INSTANTIATE_TEST_SUITE_P(
    Recorded, KubernetesTargets,
    ::testing::Values(Job{"node", {Kind::kNode}}, Job{"pod", {Kind::kPod}},
                      Job{"pod-with-node", {Kind::kPod, true}}, Job{"service", {Kind::kService}},
                      Job{"endpoints", {Kind::kEndpoints}},
                      Job{"endpoints-with-node", {Kind::kEndpoints, true}},
                      Job{"endpointslice", {Kind::kEndpointSlice}},
                      Job{"endpointslice-with-node", {Kind::kEndpointSlice, true}},
                      Job{"ingress", {Kind::kIngress}}),
    [](const auto& info) {
      std::string name = info.param.name;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

Object Parsed(Kind kind, const std::string& text) {
  auto json = Json::Parse(text);
  EXPECT_TRUE(json.ok()) << text;
  return ParseObject(kind, *json);
}

std::string PodJson(const std::string& name, const std::string& ip, const std::string& node) {
  return R"({"metadata":{"namespace":"n","name":")" + name + R"("},"spec":{"nodeName":")" + node +
         R"(","containers":[{"name":"c","ports":[{"containerPort":80}]}]},"status":{"podIP":")" +
         ip + R"("}})";
}

TEST(KubernetesMirror, TellsOnlyWhatChanged) {
  Mirror mirror({Kind::kPod});
  mirror.Put(Kind::kPod, Parsed(Kind::kPod, PodJson("a", "1.1.1.1", "x")));
  mirror.Put(Kind::kPod, Parsed(Kind::kPod, PodJson("b", "1.1.1.2", "x")));
  EXPECT_EQ(mirror.TakeChanges().size(), 2u);
  EXPECT_FALSE(mirror.dirty());
  mirror.Put(Kind::kPod, Parsed(Kind::kPod, PodJson("a", "1.1.1.1", "x")));  // a heartbeat
  EXPECT_TRUE(mirror.TakeChanges().empty());
  mirror.Put(Kind::kPod, Parsed(Kind::kPod, PodJson("a", "1.1.1.9", "x")));
  const auto changed = mirror.TakeChanges();
  ASSERT_EQ(changed.size(), 1u);
  EXPECT_EQ(changed[0].source, "pod/n/a");
  EXPECT_EQ(changed[0].targets[0].Get("__address__"), "1.1.1.9:80");
}

TEST(KubernetesMirror, TellsOfWhatWent) {
  Mirror mirror({Kind::kPod});
  mirror.Put(Kind::kPod, Parsed(Kind::kPod, PodJson("a", "1.1.1.1", "x")));
  mirror.TakeChanges();
  mirror.Remove(Kind::kPod, "n/a");
  mirror.Remove(Kind::kPod, "n/never-there");
  const auto changed = mirror.TakeChanges();
  ASSERT_EQ(changed.size(), 1u);
  EXPECT_EQ(changed[0].source, "pod/n/a");
  EXPECT_TRUE(changed[0].targets.empty());
}

TEST(KubernetesMirror, ReplacesWithinANamespaceOnly) {
  Mirror mirror({Kind::kPod});
  mirror.Put(Kind::kPod, Parsed(Kind::kPod, PodJson("a", "1.1.1.1", "x")));
  mirror.TakeChanges();
  mirror.Replace(Kind::kPod, "other", {});
  EXPECT_TRUE(mirror.TakeChanges().empty());
  mirror.Replace(Kind::kPod, "n", {});
  EXPECT_EQ(mirror.TakeChanges().size(), 1u);
}

TEST(KubernetesMirror, FollowsTheObjectsThatAGroupLookedAt) {
  Mirror mirror({Kind::kPod, true});
  mirror.Put(Kind::kPod, Parsed(Kind::kPod, PodJson("a", "1.1.1.1", "x")));
  mirror.Put(Kind::kPod, Parsed(Kind::kPod, PodJson("b", "1.1.1.2", "y")));
  EXPECT_EQ(mirror.TakeChanges().size(), 2u);
  // The node comes later than its pod, changes, and goes.
  const auto node = [&](const char* zone) {
    mirror.Put(Kind::kNode,
               Parsed(Kind::kNode, std::string(R"({"metadata":{"name":"x","labels":{"zone":")") +
                                       zone + R"("}}})"));
  };
  for (const char* zone : {"z1", "z2"}) {
    node(zone);
    const auto changed = mirror.TakeChanges();
    ASSERT_EQ(changed.size(), 1u);
    EXPECT_EQ(changed[0].source, "pod/n/a");
    EXPECT_EQ(changed[0].labels.Get("__meta_kubernetes_node_label_zone"), zone);
  }
  mirror.Remove(Kind::kNode, "x");
  const auto changed = mirror.TakeChanges();
  ASSERT_EQ(changed.size(), 1u);
  EXPECT_FALSE(changed[0].labels.Has("__meta_kubernetes_node_label_zone"));
}

TEST(KubernetesMirror, AttachesTheNamespace) {
  Mirror mirror({Kind::kPod, false, true});
  mirror.Put(Kind::kPod, Parsed(Kind::kPod, PodJson("a", "1.1.1.1", "x")));
  mirror.Put(Kind::kNamespace,
             Parsed(Kind::kNamespace, R"({"metadata":{"name":"n","labels":{"team":"t"}}})"));
  const auto changed = mirror.TakeChanges();
  ASSERT_EQ(changed.size(), 1u);
  EXPECT_EQ(changed[0].labels.Get("__meta_kubernetes_namespace_label_team"), "t");
}

TEST(KubernetesObjects, SurviveAnyJson) {
  for (const char* text :
       {"null", "[]", "7", R"({"metadata":7,"spec":[],"status":"x"})",
        R"({"metadata":{"labels":[1],"ownerReferences":{}},"spec":{"containers":[null,7]}})",
        R"({"subsets":[{"ports":[{}],"addresses":[{},7]}],"endpoints":[{}],"ports":[{}]})",
        R"({"spec":{"rules":[{"http":null}],"tls":[{"hosts":[3]}],"ports":[null]}})"}) {
    for (int k = 0; k < kKinds; ++k) {
      Mirror mirror({static_cast<Kind>(k), true, true});
      mirror.Put(static_cast<Kind>(k), Parsed(static_cast<Kind>(k), text));
      mirror.TakeChanges();
    }
  }
}

}  // namespace
}  // namespace deckwatch::scraper::kubernetes
