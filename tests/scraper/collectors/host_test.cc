#include <gmock/gmock.h>

#include "scraper/collectors/host_parts.h"
#include "scraper/collectors/procfs.h"
#include "tests/scraper/collectors/collectors_testing.h"

namespace deckwatch::scraper {
namespace {

class HostCollectorTest : public ::testing::Test {
 protected:
  HostCollectorTest() { machine_.Unpack("collectors/proc.txt", "proc"); }
  Page Collect() { return CollectPage(NewHostCollector(machine_.Options()).get()); }
  FakeMachine machine_;
};

TEST_F(HostCollectorTest, ReadsCpuAndStat) {
  const Page page = Collect();
  EXPECT_EQ(page.At(R"(node_cpu_seconds_total{cpu="0",mode="user"})"), 78.24);
  EXPECT_EQ(page.At(R"(node_cpu_seconds_total{cpu="0",mode="steal"})"), 0);
  EXPECT_EQ(page.At(R"(node_cpu_guest_seconds_total{cpu="0",mode="nice"})"), 0);
  EXPECT_FALSE(page.Has(R"(node_cpu_seconds_total{cpu="",mode="user"})"));
  EXPECT_EQ(page.At("node_boot_time_seconds"), 1795183102);
  EXPECT_EQ(page.At("node_context_switches_total"), 274853);
  EXPECT_EQ(page.At("node_intr_total"), 147043);
  EXPECT_EQ(page.At("node_forks_total"), 1395);
  EXPECT_EQ(page.At("node_procs_running"), 3);
  EXPECT_EQ(page.At("node_load15"), 0.87);
  EXPECT_EQ(page.At("node_time_seconds"), 1795183340);
}

TEST_F(HostCollectorTest, ReadsMemoryAndPressure) {
  const Page page = Collect();
  EXPECT_EQ(page.At("node_memory_MemTotal_bytes"), 2984636.0 * 1024);
  EXPECT_EQ(page.At("node_memory_Active_anon_bytes"), 98604.0 * 1024);
  EXPECT_EQ(page.At("node_memory_HugePages_Total"), 0);
  EXPECT_EQ(page.At("node_pressure_cpu_waiting_seconds_total"), 172.348182);
  EXPECT_EQ(page.At("node_pressure_io_stalled_seconds_total"), 0.397445);
}

TEST_F(HostCollectorTest, ReadsDisksButNoPartitions) {
  machine_.Put("proc/diskstats",
               " 254 0 vda 1999 22 363322 1415 1221 1451 172736 3470 0 2980 5333 0 0 0 0 474 447\n"
               " 254 1 vda1 1 1 1 1 1 1 1 1 1 1 1\n"
               "   7 0 loop0 1 1 1 1 1 1 1 1 1 1 1\n"
               " 259 0 nvme0n1 10 0 20 30 1 2 3 4 5 6 7\n");  // a kernel with fewer columns
  const Page page = Collect();
  EXPECT_EQ(page.At(R"(node_disk_read_bytes_total{device="vda"})"), 363322.0 * 512);
  EXPECT_EQ(page.At(R"(node_disk_io_time_seconds_total{device="vda"})"), 2.98);
  EXPECT_EQ(page.At(R"(node_disk_flush_requests_total{device="vda"})"), 474);
  EXPECT_EQ(page.At(R"(node_disk_reads_completed_total{device="nvme0n1"})"), 10);
  EXPECT_FALSE(page.Has(R"(node_disk_flush_requests_total{device="nvme0n1"})"));
  EXPECT_FALSE(page.Has(R"(node_disk_reads_completed_total{device="vda1"})"));
  EXPECT_FALSE(page.Has(R"(node_disk_reads_completed_total{device="loop0"})"));
}

TEST_F(HostCollectorTest, TellsOfLocalFileSystemsOnly) {
  machine_.Put("proc/1/mounts",
               "/dev/vda / ext4 rw,relatime 0 0\n"
               "/dev/vdb /data\\040two xfs ro,relatime 0 0\n"
               "/dev/vdc /gone ext4 rw 0 0\n"
               "nas:/x /nas nfs4 rw 0 0\n"
               "me@h:/ /ssh fuse.sshfs rw 0 0\n"
               "proc /proc proc rw 0 0\n"
               "overlay /var/lib/docker/overlay2/a/merged overlay rw 0 0\n"
               "/dev/vda / ext4 rw,relatime 0 0\n");
  machine_.Put("rootfs/data two/file", "");
  const Page page = Collect();
  const std::string root = R"({device="/dev/vda",fstype="ext4",mountpoint="/"})";
  const std::string two = R"({device="/dev/vdb",fstype="xfs",mountpoint="/data two"})";
  const std::string gone = R"({device="/dev/vdc",fstype="ext4",mountpoint="/gone"})";
  EXPECT_GT(page.At("node_filesystem_size_bytes" + root), 0);
  EXPECT_GE(page.At("node_filesystem_free_bytes" + root),
            page.At("node_filesystem_avail_bytes" + root));
  EXPECT_EQ(page.At("node_filesystem_readonly" + root), 0);
  EXPECT_EQ(page.At("node_filesystem_readonly" + two), 1);
  EXPECT_EQ(page.At("node_filesystem_device_error" + two), 0);
  EXPECT_EQ(page.At("node_filesystem_device_error" + gone), 1);
  EXPECT_FALSE(page.Has("node_filesystem_size_bytes" + gone));
  for (const auto& [series, value] : page.samples) {
    EXPECT_THAT(series, ::testing::Not(::testing::AnyOf(::testing::HasSubstr("/nas"),
                                                        ::testing::HasSubstr("/ssh"),
                                                        ::testing::HasSubstr("/proc"))));
  }
}

TEST_F(HostCollectorTest, ReadsTheNetwork) {
  machine_.Put("proc/net/dev",
               "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes packets\n"
               "    lo: 11 2 0 0 0 0 0 0 11 2 0 0 0 0 0 0\n"
               "  eth0:1234567890123 5 1 2 3 4 6 7 99 8 9 10 11 12 13 14\n");  // no blank after ':'
  machine_.Put("proc/net/netstat", "TcpExt: SyncookiesSent Ignored\nTcpExt: 4 5\n");
  machine_.Put("proc/net/snmp", "Tcp: RtoMin MaxConn RetransSegs\nTcp: 200 -1 17\n");
  machine_.Put("proc/net/snmp6", "Ip6InOctets   \t640\nIcmp6InErrors \t3\n");
  machine_.Put("proc/net/sockstat", "sockets: used 42\nTCP: inuse 5 orphan 0 mem 2\n");
  machine_.Put("sys/class/net/eth0/operstate", "up\n");
  machine_.Put("sys/class/net/eth0/mtu", "1500\n");
  machine_.Put("sys/class/net/eth0/speed", "-1\n");
  machine_.Put("sys/class/net/lo/operstate", "unknown\n");
  const Page page = Collect();
  EXPECT_EQ(page.At(R"(node_network_receive_bytes_total{device="eth0"})"), 1234567890123);
  EXPECT_EQ(page.At(R"(node_network_receive_multicast_total{device="eth0"})"), 7);
  EXPECT_EQ(page.At(R"(node_network_transmit_bytes_total{device="eth0"})"), 99);
  EXPECT_EQ(page.At(R"(node_network_transmit_carrier_total{device="eth0"})"), 13);
  EXPECT_EQ(page.At("node_netstat_TcpExt_SyncookiesSent"), 4);
  EXPECT_EQ(page.At("node_netstat_Tcp_RetransSegs"), 17);
  EXPECT_EQ(page.At("node_netstat_Ip6_InOctets"), 640);
  EXPECT_EQ(page.At("node_netstat_Icmp6_InErrors"), 3);
  EXPECT_FALSE(page.HasFamily("node_netstat_Tcp_RtoMin"));
  EXPECT_EQ(page.At("node_sockstat_sockets_used"), 42);
  EXPECT_EQ(page.At("node_sockstat_TCP_mem_bytes"), 2.0 * ::sysconf(_SC_PAGESIZE));
  EXPECT_EQ(page.At(R"(node_network_up{device="eth0"})"), 1);
  EXPECT_EQ(page.At(R"(node_network_up{device="lo"})"), 0);
  EXPECT_EQ(page.At(R"(node_network_speed_bytes{device="eth0"})"), -125000);
  EXPECT_FALSE(page.Has(R"(node_network_mtu_bytes{device="lo"})"));
}

TEST_F(HostCollectorTest, LeavesOutWhatIsNotThereAndSaysSo) {
  const Page page = Collect();
  EXPECT_EQ(page.At(R"(node_scrape_collector_success{collector="cpu"})"), 1);
  EXPECT_EQ(page.At(R"(node_scrape_collector_success{collector="conntrack"})"), 0);
  EXPECT_FALSE(page.HasFamily("node_nf_conntrack_entries"));
}

TEST_F(HostCollectorTest, SpeaksLikeNodeExporter) {
  // The real machine, so that every part that works here takes part.
  const Page page = CollectPage(NewHostCollector({}).get());
  const auto theirs = ReadTypes("collectors/node-exporter-types.txt");
  for (const auto& [name, type] : page.types) {
    const auto it = theirs.find(name);
    if (it != theirs.end()) {
      EXPECT_EQ(type, it->second) << name;
      continue;
    }
    // Only these follow what the kernel at hand happens to count.
    EXPECT_THAT(name, ::testing::MatchesRegex("node_(memory|vmstat|netstat|sockstat)_.*"));
  }
  EXPECT_TRUE(page.HasFamily("node_cpu_seconds_total"));
  EXPECT_TRUE(page.HasFamily("node_uname_info"));
}

TEST(HostCollector, IsAnErrorWithoutProc) {
  FakeMachine empty;
  EXPECT_FALSE(NewHostCollector(empty.Options())->Collect().ok());
}

TEST(CpuMemory, HidesWhatTheKernelShowsAsRunningBackwards) {
  CpuMemory memory;
  EXPECT_EQ(memory.Monotonic("0", 4, 10), 10);
  EXPECT_EQ(memory.Monotonic("0", 4, 9.5), 10);
  EXPECT_EQ(memory.Monotonic("0", 4, 11), 11);
  EXPECT_EQ(memory.Monotonic("1", 4, 1), 1);
  EXPECT_EQ(memory.Monotonic("0", 4, 0.5), 0.5);  // taken out and put back
}

// Files are cut wherever the kernel pleases, and hold what it pleases: no part may mind.
TEST_F(HostCollectorTest, SurvivesFilesCutAnywhere) {
  machine_.Put("proc/net/dev", "a|b\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
  machine_.Put("proc/net/netstat", "TcpExt: A\nTcpExt: 4\n:\n:\n");
  machine_.Put("proc/1/mounts", "/dev/vda /a\\04 ext4 rw 0 0\n");
  for (const char* file : {"stat", "meminfo", "loadavg", "diskstats", "pressure/cpu", "net/dev",
                           "net/netstat", "1/mounts"}) {
    const std::string path = machine_.path("proc/" + std::string(file)).string();
    const std::string whole = *ReadSmallFile(path);
    for (size_t n = 0; n < std::min<size_t>(whole.size(), 400); ++n) {
      machine_.Put("proc/" + std::string(file), whole.substr(0, n));
      (void)NewHostCollector(machine_.Options())->Collect();
    }
    machine_.Put("proc/" + std::string(file), whole);
  }
}

}  // namespace
}  // namespace deckwatch::scraper
