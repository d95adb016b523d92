#include <gmock/gmock.h>
#include <httplib.h>

#include "base/executor.h"
#include "scraper/collectors/cgroup.h"
#include "scraper/collectors/container_names.h"
#include "tests/scraper/collectors/collectors_testing.h"

namespace deckwatch::scraper {
namespace {

const std::string kPod = "podc8c285a8-5534-44ed-be3a-3317c2fa1f6b";
const std::string kApp = "2df9b65267505dd91224924dccf31042584923db3f09da50250125be7159f517";
const std::string kPause = "e6abdb9641c8e01d69137ac944f74ac31a8775ad3d771733b8175437e4078a55";
const std::string kAppGroup = "/kubepods/burstable/" + kPod + "/" + kApp;

class ContainersV2 : public ::testing::Test {
 protected:
  ContainersV2() {
    machine_.Unpack("collectors/cgroup-v2.txt", "sys/fs/cgroup");
    machine_.Unpack("collectors/proc.txt", "proc");
    machine_.Put("sys/dev/block/254:0/uevent", "MAJOR=254\nDEVNAME=vda\nDEVTYPE=disk\n");
  }
  Page Collect() { return CollectPage(NewContainersCollector(machine_.Options()).get()); }
  FakeMachine machine_;
};

// The labels of a group that nobody knows a name for.
std::string Unnamed(const std::string& id) {
  const std::string container = ContainerIdOf(id);
  return "{id=\"" + id + "\"" + (container.empty() ? "" : ",name=\"" + container + "\"") + "}";
}

TEST_F(ContainersV2, SaysWhatCadvisorSaid) {
  const Page page = Collect();
  std::istringstream lines(ReadTestData("collectors/cadvisor-values.txt"));
  int count = 0;
  std::string family, id, value;
  for (; lines >> family >> id >> value; ++count) {
    EXPECT_EQ(page.At(family + Unnamed(id)), std::stod(value)) << family << " " << id;
  }
  EXPECT_GT(count, 150);
}

TEST_F(ContainersV2, ReadsWhatGrows) {
  const Page page = Collect();
  const std::string app = Unnamed(kAppGroup);
  EXPECT_EQ(page.At("container_cpu_usage_seconds_total{id=\"" + kAppGroup + "\",name=\"" + kApp +
                    "\",cpu=\"total\"}"),
            13.955255);
  EXPECT_EQ(page.At("container_cpu_user_seconds_total" + app), 11.471966);
  EXPECT_EQ(page.At("container_cpu_cfs_throttled_periods_total" + app), 460);
  EXPECT_DOUBLE_EQ(page.At("container_cpu_cfs_throttled_seconds_total" + app), 28.353658);
  EXPECT_EQ(page.At("container_memory_rss" + app), 4587520);
  EXPECT_EQ(page.At("container_threads" + app), 4);
  EXPECT_EQ(page.At("container_last_seen" + app), 1795183340);
  EXPECT_EQ(
      page.At(R"(container_fs_reads_bytes_total{id="/kubepods/besteffort",device="/dev/vda"})"),
      98304);
}

TEST_F(ContainersV2, TellsOfThrottlingOnlyUnderAQuota) {
  const Page page = Collect();
  EXPECT_FALSE(page.Has("container_cpu_cfs_periods_total" + Unnamed("/kubepods/burstable")));
  EXPECT_FALSE(page.Has("container_spec_cpu_quota" + Unnamed("/kubepods/burstable")));
}

TEST_F(ContainersV2, TakesTheRootFromTheMachine) {
  const Page page = Collect();
  EXPECT_EQ(page.At(R"(container_memory_usage_bytes{id="/"})"), (2984636.0 - 2611552) * 1024);
  EXPECT_EQ(page.At(R"(container_spec_memory_limit_bytes{id="/"})"), 2984636.0 * 1024);
  EXPECT_EQ(page.At("machine_memory_bytes"), 2984636.0 * 1024);
  EXPECT_EQ(page.At("machine_cpu_cores"), 1);
}

TEST_F(ContainersV2, HasTheTypesOfCadvisor) {
  const Page page = Collect();
  const auto theirs = ReadTypes("collectors/cadvisor-types.txt");
  for (const auto& [name, type] : page.types) {
    const auto it = theirs.find(name);
    ASSERT_TRUE(it != theirs.end()) << name;
    EXPECT_EQ(type, it->second) << name;
  }
}

TEST_F(ContainersV2, NamesPodsFromTheKubeletsLogFolders) {
  machine_.Put("rootfs/var/log/pods/shop_web-v2-dbc9694dc-m92f8_" + kPod.substr(3) + "/app/0.log",
               "");
  machine_.Put("rootfs/var/log/containers/web-v2-dbc9694dc-m92f8_shop_app-" + kApp + ".log", "");
  const Page page = Collect();
  const std::string pod = R"(,namespace="shop",pod="web-v2-dbc9694dc-m92f8"})";
  EXPECT_TRUE(page.Has("container_memory_rss{container=\"app\",id=\"" + kAppGroup + "\",name=\"" +
                       kApp + "\"" + pod));
  // The sandbox is no container of the pod, but it is of the pod; so is the group above both.
  EXPECT_TRUE(page.Has("container_memory_rss{id=\"/kubepods/burstable/" + kPod + "/" + kPause +
                       "\",name=\"" + kPause + "\"" + pod));
  EXPECT_TRUE(page.Has("container_memory_rss{id=\"/kubepods/burstable/" + kPod + "\"" + pod));
}

TEST_F(ContainersV2, TellsEachNetworkNamespaceOnce) {
  const auto process = [&](const std::string& group, int pid, int start_ticks) {
    const std::string id = std::to_string(pid);
    machine_.Put("sys/fs/cgroup" + group + "/cgroup.procs", id + "\n");
    machine_.Put("proc/" + id + "/stat", id + " (a ) b) S 1 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 " +
                                             std::to_string(start_ticks) + " 0 0\n");
    machine_.Put("proc/" + id + "/net/dev",
                 "h\nh\n lo: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
                 " eth0: " +
                     id + " 1 0 0 0 0 0 0 7 0 0 0 0 0 0 0\n");
  };
  const std::string pause = "/kubepods/burstable/" + kPod + "/" + kPause;
  process(kAppGroup, 377, 5000);
  process(pause, 300, 4000);  // was there first
  machine_.Put("proc/1/ns/net", "");
  machine_.Put("proc/300/ns/net", "");
  std::filesystem::create_directories(machine_.path("proc/377/ns"));
  std::filesystem::create_hard_link(machine_.path("proc/300/ns/net"),
                                    machine_.path("proc/377/ns/net"));
  const Page page = Collect();
  const std::string of_pause = "{id=\"" + pause + "\",name=\"" + kPause + "\"";
  EXPECT_EQ(page.At("container_network_receive_bytes_total" + of_pause + ",interface=\"eth0\"}"),
            300);
  EXPECT_EQ(page.At("container_network_transmit_bytes_total" + of_pause + ",interface=\"eth0\"}"),
            7);
  EXPECT_FALSE(page.Has("container_network_receive_bytes_total" + of_pause + ",interface=\"lo\"}"));
  EXPECT_FALSE(page.Has("container_network_receive_bytes_total{id=\"" + kAppGroup + "\",name=\"" +
                        kApp + "\",interface=\"eth0\"}"));
  EXPECT_EQ(page.At("container_start_time_seconds" + Unnamed(kAppGroup)), 1795183102 + 50);
}

TEST_F(ContainersV2, StartTimeIsThatOfTheOldestProcess) {
  const auto stat = [&](int pid, int start_ticks) {
    machine_.Put("proc/" + std::to_string(pid) + "/stat",
                 std::to_string(pid) + " (sh) S 1 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 " +
                     std::to_string(start_ticks) + " 0 0\n");
  };
  const auto collector = NewContainersCollector(machine_.Options());
  const auto start = [&] {
    return CollectPage(collector.get()).At("container_start_time_seconds" + Unnamed(kAppGroup));
  };
  stat(377, 5000);
  stat(378, 6000);
  machine_.Put("sys/fs/cgroup" + kAppGroup + "/cgroup.procs", "378\n377\n");
  EXPECT_EQ(start(), 1795183102 + 50);
  stat(12, 9000);  // numbers have wrapped around
  machine_.Put("sys/fs/cgroup" + kAppGroup + "/cgroup.procs", "12\n377\n");
  EXPECT_EQ(start(), 1795183102 + 50);
  machine_.Put("sys/fs/cgroup" + kAppGroup + "/cgroup.procs", "12\n");  // started anew
  EXPECT_EQ(start(), 1795183102 + 90);
}

TEST_F(ContainersV2, SurvivesGroupsThatVanishWhileBeingRead) {
  const auto tree = CgroupTree::Open(machine_.path("sys").string(), machine_.path("proc").string());
  ASSERT_TRUE(tree.ok());
  const std::vector<Cgroup> groups = tree->List();
  ASSERT_EQ(groups.size(), 14u);
  std::filesystem::remove_all(machine_.path("sys/fs/cgroup/kubepods"));
  for (const Cgroup& g : groups) {
    const CgroupStats stats = tree->Read(g);
    EXPECT_EQ(stats.memory_usage.has_value(), false) << g.id;
  }
  EXPECT_EQ(tree->List().size(), 1u);
}

TEST_F(ContainersV2, SurvivesFilesCutAnywhere) {
  for (const char* file : {"cpu.stat", "cpu.max", "memory.stat", "memory.events", "cpu.pressure"}) {
    const std::string path = "sys/fs/cgroup" + kAppGroup + "/" + file;
    const std::string whole = *ReadSmallFile(machine_.path(path).string());
    const auto tree =
        CgroupTree::Open(machine_.path("sys").string(), machine_.path("proc").string());
    for (size_t n = 0; n < whole.size(); ++n) {
      machine_.Put(path, whole.substr(0, n));
      (void)tree->Read({kAppGroup, kApp});
    }
  }
}

TEST(ContainersV1, ReadsAHybridTree) {
  FakeMachine machine;
  machine.Unpack("collectors/cgroup-v1-hybrid.txt", "sys/fs/cgroup");
  machine.Unpack("collectors/proc.txt", "proc");
  const std::string id = "574e66438053e6d89077e2374f21c5c3467cccf5a3b3e5bbe4d244c533fc75d8";
  const std::string group = "/kubepods/burstable/pod3306abde-73e3-48eb-b534-e51c11ae6292/" + id;
  const Page page = CollectPage(NewContainersCollector(machine.Options()).get());
  const std::string labels = Unnamed(group);
  EXPECT_DOUBLE_EQ(page.At("container_cpu_usage_seconds_total{id=\"" + group + "\",name=\"" + id +
                           "\",cpu=\"total\"}"),
                   4.834079421);
  EXPECT_EQ(page.At("container_cpu_user_seconds_total" + labels), 4.49);
  EXPECT_EQ(page.At("container_memory_rss" + labels), 2322432);
  EXPECT_EQ(page.At("container_spec_memory_limit_bytes" + labels), 67108864);
  EXPECT_EQ(page.At("container_spec_memory_limit_bytes" + Unnamed("/kubepods/burstable")), 0);
  EXPECT_EQ(page.At("container_spec_cpu_shares" + labels), 10);
  EXPECT_EQ(page.At("container_oom_events_total" + labels), 0);
  EXPECT_TRUE(page.Has("container_pressure_cpu_waiting_seconds_total" + labels));
}

TEST(ContainersV1, FindsControllersWhereTheProcessIs) {
  // With version 1 a container may be elsewhere in each hierarchy.
  FakeMachine machine;
  const std::string id(64, 'a');
  machine.Put("sys/fs/cgroup/memory/docker/" + id + "/memory.usage_in_bytes", "4096\n");
  machine.Put("sys/fs/cgroup/memory/docker/" + id + "/cgroup.procs", "77\n");
  machine.Put("sys/fs/cgroup/cpuacct/other/" + id + "/cpuacct.usage", "2000000000\n");
  machine.Put("proc/77/cgroup", "4:memory:/docker/" + id + "\n2:cpu,cpuacct:/other/" + id + "\n");
  machine.Unpack("collectors/proc.txt", "proc");
  const Page page = CollectPage(NewContainersCollector(machine.Options()).get());
  EXPECT_EQ(page.At("container_cpu_usage_seconds_total{id=\"/docker/" + id + "\",name=\"" + id +
                    "\",cpu=\"total\"}"),
            2);
}

TEST(Containers, DoesNotNameWhatAKilledEngineLeftBehind) {
  FakeMachine machine;
  const std::string dead(64, 'd'), alive(64, 'e');
  machine.Put("sys/fs/cgroup/cgroup.controllers", "memory pids\n");
  for (const auto& [id, threads] : {std::pair(dead, "0\n"), std::pair(alive, "1\n")}) {
    machine.Put("sys/fs/cgroup/docker/" + id + "/pids.current", threads);
    machine.Put("sys/fs/cgroup/docker/" + id + "/memory.current", "4096\n");
  }
  const Page page = CollectPage(NewContainersCollector(machine.Options()).get());
  const std::string usage = "container_memory_usage_bytes{id=\"/docker/";
  EXPECT_TRUE(page.Has(usage + dead + "\"}"));
  EXPECT_TRUE(page.Has(usage + alive + "\",name=\"" + alive + "\"}"));
}

TEST(Containers, IsAnErrorWithoutControlGroups) {
  FakeMachine machine;
  EXPECT_FALSE(NewContainersCollector(machine.Options())->Collect().ok());
}

TEST(Containers, ListsServicesButNothingInsideContainers) {
  FakeMachine machine;
  const std::string id(64, 'b');
  machine.Put("sys/fs/cgroup/cgroup.controllers", "cpu\n");
  machine.Put("sys/fs/cgroup/system.slice/nginx.service/deeper/cpu.stat", "");
  machine.Put("sys/fs/cgroup/system.slice/docker-" + id + ".scope/init/cpu.stat", "");
  const auto tree = CgroupTree::Open(machine.path("sys").string(), "/proc");
  ASSERT_TRUE(tree.ok());
  std::vector<std::string> ids;
  for (const Cgroup& g : tree->List()) ids.push_back(g.id);
  EXPECT_THAT(ids,
              ::testing::ElementsAre("/", "/system.slice", "/system.slice/docker-" + id + ".scope",
                                     "/system.slice/nginx.service"));
}

TEST(ContainerId, IsFoundInEveryRuntimesForm) {
  const std::string id = kApp;
  for (const std::string& path :
       {"/docker/" + id, "/system.slice/docker-" + id + ".scope",
        "/kubepods.slice/x.slice/cri-containerd-" + id + ".scope", "/a/crio-" + id + ".scope",
        "/machine.slice/libpod-" + id + ".scope",
        "/system.slice/kubepods-pod1.slice:cri-containerd:" + id}) {
    EXPECT_EQ(ContainerIdOf(path), id) << path;
  }
  EXPECT_EQ(ContainerIdOf("/docker/" + id + "/init"), "");
  EXPECT_EQ(ContainerIdOf("/docker/" + id + "0"), "");
  EXPECT_EQ(ContainerIdOf("/system.slice/nginx.service"), "");
}

TEST(PodUid, IsFoundInBothDriversForm) {
  const std::string uid = "3306abde-73e3-48eb-b534-e51c11ae6292";
  EXPECT_EQ(PodUidOf("/kubepods/burstable/pod" + uid + "/x"), uid);
  EXPECT_EQ(PodUidOf("/kubepods.slice/kubepods-burstable.slice/"
                     "kubepods-burstable-pod3306abde_73e3_48eb_b534_e51c11ae6292.slice"),
            uid);
  EXPECT_EQ(PodUidOf("/podman/pod"), "");
}

TEST(ContainerNames, AsksTheEngineWhenAnIdIsNew) {
  const std::string a(64, 'a'), b(64, 'b');
  int calls = 0;
  bool broken = false;
  httplib::Server server;
  server.Get("/containers/json", [&](const httplib::Request&, httplib::Response& r) {
    ++calls;
    r.set_content(broken ? "nonsense"
                         : R"([{"Id":")" + a + R"(","Names":["/web1"],"Image":"demo:1","Labels":)" +
                               R"({"com.docker.compose.service":"web","other":"x"}}])",
                  "application/json");
  });
  const int port = server.bind_to_any_port("127.0.0.1");
  auto thread = StartThread("engine", [&](std::stop_token) { server.listen_after_bind(); });
  while (!server.is_running()) std::this_thread::yield();
  FakeClock clock(1'000'000);
  {
    ContainerNames names("http://127.0.0.1:" + std::to_string(port), "/nonexistent", &clock);
    names.Refresh({a});
    names.Refresh({a});
    EXPECT_EQ(calls, 1);
    const ContainerName found = names.Find(a, "/docker/" + a);
    EXPECT_EQ(found.name, "web1");
    EXPECT_EQ(found.image, "demo:1");
    EXPECT_THAT(found.labels, ::testing::ElementsAre(std::pair<std::string, std::string>(
                                  "com_docker_compose_service", "web")));
    broken = true;
    names.Refresh({a, b});
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(names.Find(a, "").name, "web1");  // kept
    EXPECT_EQ(names.Find(b, "").name, b);
    clock.AdvanceMs(300'000);
    names.Refresh({a, b});
    EXPECT_EQ(calls, 3);
  }
  server.stop();
}

}  // namespace
}  // namespace deckwatch::scraper
