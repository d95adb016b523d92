#include "server/flags.h"

#include <algorithm>
#include <sstream>

#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "base/yaml.h"
#include "server/version.h"

namespace deckwatch::server {

namespace {

// Prometheus flags that need no counterpart here; accepted, so that a unit file keeps working.
constexpr const char* kIgnoredValues[] = {"--web.console.templates",
                                          "--web.console.libraries",
                                          "--web.page-title",
                                          "--web.cors.origin",
                                          "--web.user-assets",
                                          "--web.read-timeout",
                                          "--web.max-connections",
                                          "--web.max-notifications-subscribers",
                                          "--web.remote-write-receiver.accepted-protobuf-messages",
                                          "--storage.tsdb.min-block-duration",
                                          "--storage.tsdb.max-block-duration",
                                          "--storage.tsdb.wal-segment-size",
                                          "--storage.tsdb.max-block-chunk-segment-size",
                                          "--storage.tsdb.head-chunks-write-queue-size",
                                          "--storage.tsdb.samples-per-chunk",
                                          "--storage.tsdb.wal-compression-type",
                                          "--storage.tsdb.block-reload-interval",
                                          "--storage.tsdb.delay-compact-file.path",
                                          "--storage.remote.flush-deadline",
                                          "--storage.remote.read-sample-limit",
                                          "--storage.remote.read-concurrent-limit",
                                          "--storage.remote.read-max-bytes-in-frame",
                                          "--rules.max-concurrent-evals",
                                          "--scrape.timestamp-tolerance",
                                          "--scrape.discovery-reload-interval",
                                          "--config.auto-reload-interval",
                                          "--auto-gomemlimit.ratio"};
constexpr const char* kIgnoredSwitches[] = {"--storage.tsdb.no-lockfile",
                                            "--storage.tsdb.allow-overlapping-blocks",
                                            "--storage.tsdb.wal-compression",
                                            "--scrape.adjust-timestamps",
                                            "--web.enable-ui",
                                            "--alertmanager.drain-notification-queue-on-shutdown",
                                            "--auto-gomaxprocs",
                                            "--auto-gomemlimit"};

struct Feature {
  std::string_view name;
  bool always_on;
};
// Names of Prometheus 3.14 that switch nothing here; what is not always on has no effect.
constexpr Feature kFeatures[] = {{"promql-experimental-functions", true},
                                 {"promql-duration-expr", true},
                                 {"promql-extended-range-selectors", true},
                                 {"promql-binop-fill-modifiers", true},
                                 {"promql-delayed-name-removal", true},
                                 {"promql-per-step-stats", true},
                                 {"native-histograms", true},
                                 {"exemplar-storage", true},
                                 {"metadata-wal-records", true},
                                 {"memory-snapshot-on-shutdown", true},
                                 {"expand-external-labels", true},
                                 {"concurrent-rule-eval", true},
                                 {"extra-scrape-metrics", false},
                                 {"created-timestamp-zero-ingestion", false},
                                 {"st-storage", true},
                                 {"delayed-compaction", true},
                                 {"fast-startup", true},
                                 {"histograms-st-encoding", true},
                                 {"search-api", false},
                                 {"st-synthesis", false},
                                 {"old-ui", false},
                                 {"otlp-deltatocumulative", false},
                                 {"otlp-native-delta-ingestion", false},
                                 {"type-and-unit-labels", false},
                                 {"use-uncached-io", false},
                                 {"auto-gomaxprocs", true},
                                 {"auto-gomemlimit", true},
                                 {"auto-reload-config", false},
                                 {"new-service-discovery-manager", true},
                                 {"no-default-scrape-port", true},
                                 {"otlp-write-receiver", false},
                                 {"promql-at-modifier", true},
                                 {"promql-negative-offset", true},
                                 {"utf8-names", true},
                                 {"xor2-encoding", true}};

// Switches on what a feature name switches on; false when it is none of those.
bool EnableFeature(std::string_view name, ServeFlags* flags) {
  if (name == "use-start-timestamps") return flags->use_start_timestamps = true;
  if (name == "remote-write-receiver") return flags->enable_remote_write = true;
  return false;
}

void NoteFeatures(const std::vector<std::string>& lists, ServeFlags* flags) {
  for (const std::string& list : lists) {
    std::istringstream names(list);
    for (std::string name; std::getline(names, name, ',');) {
      if (EnableFeature(name, flags)) continue;
      const auto known = std::find_if(std::begin(kFeatures), std::end(kFeatures),
                                      [&](const Feature& f) { return f.name == name; });
      if (known == std::end(kFeatures)) {
        flags->notes.push_back("unknown option for --enable-feature: " + name);
      } else {
        flags->notes.push_back("--enable-feature=" + name +
                               (known->always_on ? " is always on" : " has no effect"));
      }
    }
  }
}

// CLI11 calls this with the text of a flag; it returns the error text.
template <typename Parse, typename T>
CLI::Validator Parsed(Parse parse, T* out, const char* type) {
  return CLI::Validator(
      [parse, out](std::string& text) -> std::string {
        const auto v = parse(text);
        if (!v.ok()) return v.status().message();
        *out = static_cast<T>(*v);
        return "";
      },
      type);
}

class ServeApp {
 public:
  explicit ServeApp(ServeFlags* flags) : flags_(flags) {
    app_.set_version_flag("--version", "deckwatch " + std::string(kVersion));
    Files();
    Web();
    Storage();
    QueryAndRules();
    Notifier();
    app_.add_option("--log.level", "debug, info, warn or error")
        ->transform(Parsed(ParseLogLevel, &flags_->log_level, "LEVEL"))
        ->default_str("info");
    app_.add_option("--log.format", "logfmt or json")
        ->transform(Parsed(ParseLogFormat, &flags_->log_format, "FORMAT"))
        ->default_str("logfmt");
    app_.add_option("--enable-feature", features_, "Names of Prometheus's features")->take_all();
    for (const char* name : kIgnoredValues) Ignore(app_.add_option(name, ignored_, ""));
    for (const char* name : kIgnoredSwitches) {
      Ignore(app_.add_flag(std::string(name) + ",!--no-" + (name + 2)));
    }
  }

  CLI::App* app() { return &app_; }

  void Finish() {
    for (const CLI::Option* o : app_.get_options()) {
      const std::string name = NameOf(o);
      const bool idle =
          std::find(without_effect_.begin(), without_effect_.end(), o) != without_effect_.end();
      if (name.empty() || name == "help" || name == "version" || (idle && o->count() == 0)) {
        continue;
      }
      std::string value;
      for (const std::string& r : o->results()) value += (value.empty() ? "" : ",") + r;
      flags_->all[name] = o->count() > 0 ? value : o->get_default_str();
    }
    for (const CLI::Option* o : without_effect_) {
      if (o->count() > 0) flags_->notes.push_back("--" + NameOf(o) + " has no effect");
    }
    if (flags_->enable_otlp)
      flags_->notes.push_back("--web.enable-otlp-receiver has no effect yet");
    NoteFeatures(features_, flags_);
  }

 private:
  static std::string NameOf(const CLI::Option* o) {
    return o->get_lnames().empty() ? "" : o->get_lnames()[0];
  }
  void Ignore(CLI::Option* option) {
    option->group("");  // not in the help
    without_effect_.push_back(option);
  }
  void Duration(const char* name, int64_t* out, const std::string help) {
    app_.add_option(name, help)
        ->transform(Parsed(ParseDurationMs, out, "DURATION"))
        ->default_str(FormatDurationMs(*out));
  }
  void Switch(const std::string& name, bool* out, const char* help) {
    app_.add_flag("--" + name + ",!--no-" + name, *out, help)->default_str("false");
  }
  void Text(const char* name, std::string* out, const char* help) {
    app_.add_option(name, *out, help)->default_str(*out);
  }

  void Files() {
    Text("--config.file", &flags_->config_file, "Configuration in Prometheus's format");
    Text("--alertmanager.config.file", &flags_->alertmanager_config_file,
         "Built-in notification, in Alertmanager's format; besides the Alertmanagers of "
         "--config.file");
  }
  void Web() {
    app_.add_option("--web.listen-address", flags_->listen_addresses,
                    "host:port to listen on; may be repeated")
        ->default_str(flags_->listen_addresses[0]);
    Text("--web.external-url", &flags_->external_url, "URL under which others reach this server");
    Text("--web.route-prefix", &flags_->route_prefix,
         "Path below which everything is served; default: the path of the external URL");
    Text("--web.config.file", &flags_->web_config_file, "Users who may connect (basic_auth_users)");
    Switch("web.enable-lifecycle", &flags_->enable_lifecycle, "Allow /-/reload and /-/quit");
    Switch("web.enable-admin-api", &flags_->enable_admin_api, "Allow /api/v1/admin");
    Switch("web.enable-remote-write-receiver", &flags_->enable_remote_write, "Allow /api/v1/write");
    Switch("web.remote-write-accept-conflicting", &flags_->accept_conflicting,
           "Answer 204, not 400, to samples that have another value for a stored time; the stored "
           "one stays in both cases");
    Switch("web.enable-otlp-receiver", &flags_->enable_otlp, "Not supported yet");
  }
  void Storage() {
    Text("--storage.tsdb.path", &flags_->storage_path, "Directory of the store");
    Duration("--storage.tsdb.retention.time", &flags_->retention_ms,
             "How long samples are kept; 15d when neither time nor size is given");
    app_.add_option("--storage.tsdb.retention.size", "Bytes of disk to use: 512MB, 20GB")
        ->transform(Parsed(ParseSizeBytes, &flags_->retention_bytes, "SIZE"))
        ->default_str("0B");
    app_.add_option("--storage.memory", "Memory of the store: 512MB, 4GB; 0: a quarter of all")
        ->transform(Parsed(ParseSizeBytes, &flags_->memory_bytes, "SIZE"))
        ->default_str("0B");
  }
  void QueryAndRules() {
    Duration("--query.timeout", &flags_->query_timeout_ms, "Longest a query may take");
    Duration("--query.lookback-delta", &flags_->lookback_delta_ms, "How old a sample may be");
    app_.add_option("--query.max-samples", flags_->query_max_samples, "Samples in memory per query")
        ->default_str("50000000")
        ->check(CLI::PositiveNumber);
    app_.add_option("--query.max-concurrency", flags_->query_max_concurrency, "Queries at once")
        ->default_str("20")
        ->check(CLI::Range(1, 1000));
    app_.add_option("--query.result-cache-size",
                    "Bytes of answers kept for dashboards that ask again; 0 keeps none")
        ->transform(Parsed(ParseSizeBytes, &flags_->query_cache_bytes, "SIZE"))
        ->default_str("64MB");
    Duration("--query.log-slower-than", &flags_->slow_query_ms,
             "Queries that take as long are logged as a warning; 0 logs none");
    Duration("--rules.alert.resend-delay", &flags_->resend_delay_ms,
             "Least time before an alert is sent again");
    Duration("--rules.alert.for-outage-tolerance", &flags_->outage_tolerance_ms,
             "Longest outage after which `for` is restored");
    Duration("--rules.alert.for-grace-period", &flags_->for_grace_period_ms,
             "Least time between a restored alert and its firing");
  }
  void Notifier() {
    app_.add_option("--alertmanager.notification-queue-capacity", flags_->notifier_queue_capacity,
                    "Alerts that may wait for one Alertmanager")
        ->default_str("10000")
        ->check(CLI::PositiveNumber);
    app_.add_option("--alertmanager.notification-batch-size", flags_->notifier_batch_size,
                    "Alerts sent to an Alertmanager in one request")
        ->default_str("256")
        ->check(CLI::PositiveNumber);
  }

  ServeFlags* flags_;
  CLI::App app_{
      "Deckwatch: scrapes, stores, evaluates and notifies.\n"
      "Commands besides serving: check, query, test, tsdb (deckwatch COMMAND --help)",
      "deckwatch"};
  std::vector<std::string> features_;
  std::string ignored_;
  std::vector<CLI::Option*> without_effect_;
};

// The tool's command line: two words, then arguments.
class ToolApp {
 public:
  explicit ToolApp(ToolCommand* tool) : tool_(tool) {
    app_.require_subcommand(1);
    CLI::App* check = Group("check", "Check files before they are used");
    Files(check, "config", "prometheus.yml files and the rule files they name");
    Files(check, "rules", "Rule files");
    Files(check, "alertmanager", "alertmanager.yml files");
    Files(check, "web-config", "Web configuration files");
    Leaf(check, "metrics", "A page of metrics on standard input");
    CLI::App* query = Group("query", "Ask a server");
    CLI::App* instant = Query(query, "instant", "URL and expression");
    instant->add_option("--time", tool_->time, "Evaluation time (RFC 3339 or seconds)");
    CLI::App* range = Query(query, "range", "URL and expression");
    Times(range);
    range->add_option("--step", tool_->step, "Step (duration)");
    CLI::App* series = Query(query, "series", "URL");
    Match(series);
    Times(series);
    CLI::App* labels = Query(query, "labels", "URL and label name");
    Times(labels);
    Match(labels);
    Files(Group("test", "Run tests"), "promql", "promqltest scripts or folders of them");
    Tsdb();
  }
  CLI::App* app() { return &app_; }
  void Finish() {
    const CLI::App* group = app_.get_subcommands()[0];
    if (!place_.empty()) tool_->args = {place_};
    tool_->name = group->get_name() + " " + group->get_subcommands()[0]->get_name();
  }

 private:
  CLI::App* Group(const char* name, const char* help) {
    CLI::App* group = app_.add_subcommand(name, help);
    group->require_subcommand(1);
    return group;
  }
  CLI::App* Leaf(CLI::App* group, const char* name, const char* help) {
    return group->add_subcommand(name, help);
  }
  void Files(CLI::App* group, const char* name, const char* help) {
    Leaf(group, name, help)->add_option("FILES", tool_->args, "")->required();
  }
  CLI::App* Store(CLI::App* group, const char* name, const char* help) {
    CLI::App* leaf = Leaf(group, name, help);
    leaf->add_option("DIR", place_, "Directory of the store")->required();
    return leaf;
  }
  void Tsdb() {
    CLI::App* tsdb = Group("tsdb", "Work on a store that no server has open");
    CLI::App* analyze = Store(tsdb, "analyze", "Bytes by what they hold, and the largest labels");
    Json(analyze);
    analyze->add_option("--limit", tool_->limit, "Entries of each list");
    Json(Store(tsdb, "list", "Its parts"));
    Store(tsdb, "verify", "Read back every byte");
    Store(tsdb, "repair", "Write anew what is damaged, and say what is lost");
    Store(tsdb, "snapshot", "Make a copy of the store in DIR/snapshots");
    Json(Store(tsdb, "deletes", "Deletes whose samples are still on the disk"));
    CLI::App* undelete = Store(tsdb, "undelete", "Undo a delete of the last 24 hours");
    undelete->add_option("ID", tool_->id, "Its number, as `tsdb deletes` shows it")->required();
    CLI::App* in = Leaf(tsdb, "import", "Store a file of samples with timestamps, in any order");
    Format(in);
    in->add_option("FILE", place_, "The file; - is standard input")->required();
    in->add_option("--storage.tsdb.path", tool_->storage_path, "Directory of the store")
        ->default_str("data/");
    in->add_option("--storage.tsdb.retention.time",
                   "The server's: parts are cut for it; default: as far back as the samples go")
        ->transform(Parsed(ParseDurationMs, &tool_->retention_ms, "DURATION"));
    CLI::App* out = Leaf(tsdb, "export", "Write samples as text");
    Format(out);
    out->add_option("DIR", place_, "Directory of the store, or of a snapshot")->required();
    Match(out);
    Times(out);
    out->add_option("-o,--output", tool_->output, "File to write; default: standard output");
  }
  void Format(CLI::App* leaf) {
    leaf->add_option("FORMAT", format_, "openmetrics")
        ->check(CLI::IsMember({"openmetrics"}))
        ->required();
  }
  void Match(CLI::App* leaf) {
    leaf->add_option("--match", tool_->match, "Series selector; may be repeated");
  }
  void Json(CLI::App* leaf) { leaf->add_flag("--json", tool_->json, "Print JSON"); }
  CLI::App* Query(CLI::App* group, const char* name, const char* help) {
    CLI::App* leaf = Leaf(group, name, "");
    leaf->add_option("ARGS", tool_->args, help)->required();
    leaf->add_flag("--json", tool_->json, "Print the server's JSON");
    return leaf;
  }
  void Times(CLI::App* leaf) {
    leaf->add_option("--start", tool_->start, "Start time (RFC 3339 or seconds)");
    leaf->add_option("--end", tool_->end, "End time (RFC 3339 or seconds)");
  }

  ToolCommand* tool_;
  std::string place_;  // a directory or file, where there is exactly one
  std::string format_;
  CLI::App app_{"Deckwatch's tools", "deckwatch"};
};

template <typename App>
bool Parse(App* parser, int argc, const char* const* argv, Invocation* out) {
  try {
    parser->app()->parse(argc, argv);
    parser->Finish();
    return true;
  } catch (const CLI::ParseError& e) {
    std::ostringstream text, error;
    const int code = parser->app()->exit(e, text, error);
    out->kind = Invocation::Kind::kExit;
    out->exit_code = code == 0 ? 0 : 2;
    out->output = code == 0 ? text.str() : error.str();
    return false;
  }
}

}  // namespace

Invocation ParseCommandLine(int argc, const char* const* argv) {
  constexpr std::string_view kTools[] = {"check", "query", "test", "tsdb"};
  Invocation out;
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (std::find(std::begin(kTools), std::end(kTools), first) != std::end(kTools)) {
    out.kind = Invocation::Kind::kTool;
    ToolApp parser(&out.tool);
    Parse(&parser, argc, argv, &out);
    return out;
  }
  // `serve` may be left out; the word itself is no flag.
  const bool word = first == "serve";
  ServeApp parser(&out.serve);
  Parse(&parser, argc - word, argv + word, &out);
  return out;
}

}  // namespace deckwatch::server
