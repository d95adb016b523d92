// netdev, netclass, netstat, sockstat, conntrack.
#include <algorithm>
#include <filesystem>

#include <unistd.h>

#include "base/regex.h"
#include "scraper/collectors/host_parts.h"
#include "scraper/collectors/procfs.h"

namespace deckwatch::scraper {
namespace {

// The columns of /proc/net/dev: eight received, eight sent.
constexpr std::string_view kDevColumns[] = {
    "receive_bytes",  "receive_packets",  "receive_errs",       "receive_drop",
    "receive_fifo",   "receive_frame",    "receive_compressed", "receive_multicast",
    "transmit_bytes", "transmit_packets", "transmit_errs",      "transmit_drop",
    "transmit_fifo",  "transmit_colls",   "transmit_carrier",   "transmit_compressed"};

// node_exporter's default selection of what netstat, snmp and snmp6 hold.
const Regex& NetstatFields() {
  static const Regex* const regex = new Regex(
      Regex::Compile(
          "(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|"
          "OutMsgs)"
          "|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts)|Tcp_(ActiveOpens|InSegs|"
          "OutSegs"
          "|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts"
          "|RcvbufErrors|SndbufErrors))")
          .value());
  return *regex;
}

void AddNetstat(const std::string& protocol, std::string_view field, std::string_view value,
                MetricPage* page) {
  const std::string key = protocol + "_" + std::string(field);
  const auto v = ParseNumber(value);
  if (!v || !NetstatFields().FullMatch(key)) return;
  page->Family("node_netstat_" + key, "untyped", "Statistic " + protocol + std::string(field) + ".")
      .Sample(*v);
}

// Pairs of lines: "Tcp: ActiveOpens …" and "Tcp: 12 …".
void AddNetstatPairs(std::string_view text, MetricPage* page) {
  for (std::string_view names, values; NextLine(&text, &names) && NextLine(&text, &values);) {
    const auto n = Words(names), v = Words(values);
    if (n.size() != v.size() || n.empty() || n[0] != v[0] || n[0].back() != ':') return;
    const std::string protocol(n[0].substr(0, n[0].size() - 1));
    for (size_t i = 1; i < n.size(); ++i) AddNetstat(protocol, n[i], v[i], page);
  }
}

// Lines of snmp6: "Ip6InOctets  5"; the protocol ends with the 6.
void AddSnmp6(std::string_view text, MetricPage* page) {
  for (std::string_view line; NextLine(&text, &line);) {
    const auto words = Words(line);
    const size_t six = words.size() == 2 ? words[0].find('6') : std::string_view::npos;
    if (six == std::string_view::npos) continue;
    AddNetstat(std::string(words[0].substr(0, six + 1)), words[0].substr(six + 1), words[1], page);
  }
}

void AddSockstat(std::string_view text, double page_bytes, MetricPage* page) {
  const auto add = [&](const std::string& protocol, const std::string& key, double v) {
    page->Family("node_sockstat_" + protocol + "_" + key, "gauge",
                 key == "used" ? "Number of IPv4 sockets in use."
                               : "Number of " + protocol + " sockets in state " + key + ".");
    page->Sample(v);
  };
  for (std::string_view line; NextLine(&text, &line);) {
    const auto words = Words(line);
    if (words.empty() || words[0].back() != ':') continue;
    const std::string protocol(words[0].substr(0, words[0].size() - 1));
    for (size_t i = 1; i + 1 < words.size(); i += 2) {
      const std::string key(words[i]);
      const auto v = ParseNumber(words[i + 1]);
      if (!v) continue;
      add(protocol, key, *v);
      if (key == "mem") add(protocol, "mem_bytes", *v * page_bytes);
    }
  }
}

}  // namespace

Status CollectNetdev(const HostContext& host, MetricPage* page) {
  TRY_ASSIGN(const std::string text, ReadSmallFile(host.net + "/dev"));
  std::vector<std::pair<std::string_view, std::vector<std::string_view>>> devices;
  std::string_view rest = text;
  for (std::string_view line; NextLine(&rest, &line);) {
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;  // the two lines of the head
    const auto name = Words(line.substr(0, colon));
    auto values = Words(line.substr(colon + 1));
    if (name.size() == 1 && values.size() >= std::size(kDevColumns)) {
      devices.emplace_back(name[0], std::move(values));
    }
  }
  for (size_t c = 0; c < std::size(kDevColumns); ++c) {
    const std::string name(kDevColumns[c]);
    page->Family("node_network_" + name + "_total", "counter",
                 "Network device statistic " + name + ".");
    for (const auto& [device, values] : devices) {
      if (const auto v = ParseNumber(values[c])) page->Sample({{"device", device}}, *v);
    }
  }
  return Status::Ok();
}

Status CollectNetclass(const HostContext& host, MetricPage* page) {
  const std::string folder = host.options.sys + "/class/net";
  std::error_code error;
  std::vector<std::string> devices;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    devices.push_back(it->path().filename().string());
  }
  if (devices.empty()) return Status::NotFound("no device in " + folder);
  std::sort(devices.begin(), devices.end());
  const auto property = [&](std::string_view name, std::string_view help, const char* file,
                            double scale) {
    page->Family(name, "gauge", help);
    for (const std::string& device : devices) {
      // Reading the carrier or speed of a device that is down is an error: no sample.
      const auto v = ReadNumber(folder + "/" + device + "/" + file);
      if (v) page->Sample({{"device", device}}, *v * scale);
    }
  };
  property("node_network_carrier", "Network device property: carrier", "carrier", 1);
  property("node_network_mtu_bytes", "Network device property: mtu_bytes", "mtu", 1);
  property("node_network_speed_bytes", "Network device property: speed_bytes", "speed", 125'000);
  page->Family("node_network_up", "gauge", "Value is 1 if operstate is 'up', 0 otherwise.");
  for (const std::string& device : devices) {
    const auto state = ReadSmallFile(folder + "/" + device + "/operstate");
    if (state.ok()) page->Sample({{"device", device}}, *state == "up\n" ? 1 : 0);
  }
  return Status::Ok();
}

Status CollectNetstat(const HostContext& host, MetricPage* page) {
  TRY_ASSIGN(const std::string netstat, ReadSmallFile(host.net + "/netstat"));
  AddNetstatPairs(netstat, page);
  if (const auto snmp = ReadSmallFile(host.net + "/snmp"); snmp.ok()) AddNetstatPairs(*snmp, page);
  if (const auto snmp6 = ReadSmallFile(host.net + "/snmp6"); snmp6.ok()) AddSnmp6(*snmp6, page);
  return Status::Ok();
}

Status CollectSockstat(const HostContext& host, MetricPage* page) {
  const auto page_bytes = static_cast<double>(::sysconf(_SC_PAGESIZE));
  TRY_ASSIGN(const std::string v4, ReadSmallFile(host.net + "/sockstat"));
  AddSockstat(v4, page_bytes, page);
  if (const auto v6 = ReadSmallFile(host.net + "/sockstat6"); v6.ok()) {
    AddSockstat(*v6, page_bytes, page);
  }
  return Status::Ok();
}

Status CollectConntrack(const HostContext& host, MetricPage* page) {
  const std::string folder = host.options.proc + "/sys/net/netfilter/nf_conntrack_";
  const auto count = ReadNumber(folder + "count"), limit = ReadNumber(folder + "max");
  if (!count || !limit) return Status::NotFound("connection tracking is not loaded");
  page->Family("node_nf_conntrack_entries", "gauge",
               "Number of currently allocated flow entries for connection tracking.");
  page->Sample(*count);
  page->Family("node_nf_conntrack_entries_limit", "gauge",
               "Maximum size of connection tracking table.");
  page->Sample(*limit);
  return Status::Ok();
}

}  // namespace deckwatch::scraper
