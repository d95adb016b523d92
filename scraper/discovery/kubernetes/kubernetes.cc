// kubernetes_sd_configs: one watcher per kind of object and namespace feeds the mirror; this thread
// turns its changes into target groups.
#include <algorithm>
#include <map>

#include "base/executor.h"
#include "base/log.h"
#include "base/mutex.h"
#include "scraper/discovery/kubernetes/access.h"
#include "scraper/discovery/kubernetes/targets.h"
#include "scraper/discovery/kubernetes/watch.h"
#include "scraper/discovery/mechanisms.h"
#include "scraper/discovery/meta_labels.h"
#include "scraper/discovery/refresh.h"

namespace deckwatch::scraper {
namespace kubernetes {
namespace {

constexpr int64_t kAccessRetryMs = 10'000;

struct Selector {
  std::string label, field;
};

struct Options {
  TargetOptions targets;
  std::string api_server, kubeconfig_file;
  HttpClientConfig http;
  bool own_namespace = false;
  std::vector<std::string> namespaces;
  std::map<Kind, Selector> selectors;
};

// The kinds that targets of `options` are made from.
std::vector<Kind> NeededKinds(const TargetOptions& options) {
  std::vector<Kind> kinds = {options.role};
  if (options.role == Kind::kEndpoints || options.role == Kind::kEndpointSlice) {
    kinds.push_back(Kind::kService);
    kinds.push_back(Kind::kPod);
  }
  if (options.attach_node && options.role != Kind::kNode) kinds.push_back(Kind::kNode);
  if (options.attach_namespace) kinds.push_back(Kind::kNamespace);
  return kinds;
}

class KubernetesDiscoverer : public Discoverer {
 public:
  explicit KubernetesDiscoverer(const Options& options)
      : options_(options), mirror_(options.targets) {}

  void Run(std::stop_token stop, const GroupSink& sink) override {
    auto access = FindAccess();
    for (; !access.ok(); access = FindAccess()) {
      LogWarn("kubernetes discovery has no access", {{"err", access.status()}});
      if (WaitForStop(stop, kAccessRetryMs)) return;
    }
    HttpClient client(access->http);
    const std::vector<WatchOptions> watches = Watches(*access);
    {
      MutexLock lock(mutex_);
      unlisted_ = watches.size();
    }
    std::vector<std::jthread> threads;
    std::stop_source all;  // ends the watchers also when this returns for another reason
    std::stop_callback forward(stop, [&] { all.request_stop(); });
    for (const WatchOptions& w : watches) {
      threads.push_back(StartThread("k8s-" + std::string(InfoOf(w.kind).resource),
                                    [this, &client, &all, w](const std::stop_token&) {
                                      RunWatch(w, &client, all.get_token(), SinkFor(w));
                                    }));
    }
    Deliver(stop, sink);
    all.request_stop();
    threads.clear();
  }

 private:
  Result<Access> FindAccess() const {
    if (!options_.kubeconfig_file.empty()) return KubeconfigAccess(options_.kubeconfig_file);
    if (options_.api_server.empty()) return InClusterAccess();
    Access access;
    access.base_url = options_.api_server;
    while (!access.base_url.empty() && access.base_url.back() == '/') access.base_url.pop_back();
    access.http = options_.http;
    return access;
  }

  std::vector<WatchOptions> Watches(const Access& access) const {
    std::vector<std::string> namespaces = options_.namespaces;
    if (options_.own_namespace && !access.own_namespace.empty()) {
      namespaces.push_back(access.own_namespace);
    }
    if (namespaces.empty()) namespaces = {""};
    std::vector<WatchOptions> out;
    for (const Kind kind : NeededKinds(options_.targets)) {
      WatchOptions w;
      w.base_url = access.base_url;
      w.kind = kind;
      if (const auto s = options_.selectors.find(kind); s != options_.selectors.end()) {
        w.label_selector = s->second.label;
        w.field_selector = s->second.field;
      }
      if (!InfoOf(kind).namespaced) {
        out.push_back(w);
        continue;
      }
      for (const std::string& ns : namespaces) {
        w.ns = ns;
        out.push_back(w);
      }
    }
    return out;
  }

  WatchSink SinkFor(const WatchOptions& w) {
    const auto change = [this](const std::function<void()>& f) {
      {
        MutexLock lock(mutex_);
        f();
      }
      changed_.NotifyOne();
    };
    return {
        .replace =
            [this, change, kind = w.kind, ns = w.ns,
             listed = std::make_shared<bool>(false)](std::vector<Object> objects) {
              change([&]() REQUIRES(mutex_) {
                mirror_.Replace(kind, ns, std::move(objects));
                if (!std::exchange(*listed, true)) --unlisted_;
              });
            },
        .put =
            [this, change, kind = w.kind](Object object) {
              change([&]() REQUIRES(mutex_) { mirror_.Put(kind, std::move(object)); });
            },
        .remove =
            [this, change, kind = w.kind](const std::string& key) {
              change([&]() REQUIRES(mutex_) { mirror_.Remove(kind, key); });
            },
    };
  }

  // Nothing is told before everything was listed once: endpoints without their pods' labels would
  // be other targets than with them.
  void Deliver(const std::stop_token& stop, const GroupSink& sink) {
    while (!stop.stop_requested()) {
      std::vector<TargetGroup> groups;
      {
        MutexLock lock(mutex_);
        changed_.WaitFor(mutex_, stop, 3'600'000,
                         [this]() REQUIRES(mutex_) { return unlisted_ == 0 && mirror_.dirty(); });
        if (unlisted_ == 0) groups = mirror_.TakeChanges();
      }
      if (!groups.empty() && !stop.stop_requested()) sink(std::move(groups));
    }
  }

  const Options options_;
  Mutex mutex_;
  CondVar changed_;
  Mirror mirror_ GUARDED_BY(mutex_);
  size_t unlisted_ GUARDED_BY(mutex_) = 0;  // watchers that have not listed yet
};

class KubernetesConfig : public DiscoveryConfig {
 public:
  KubernetesConfig(Options options, std::string key)
      : options_(std::move(options)), key_(std::move(key)) {}
  std::string_view mechanism() const override { return "kubernetes"; }
  std::string key() const override { return key_; }
  std::unique_ptr<Discoverer> Start(const Clock*) const override {
    return std::make_unique<KubernetesDiscoverer>(options_);
  }

 private:
  const Options options_;
  const std::string key_;
};

// ---- configuration -------------------------------------------------------------------------

bool ParseRole(std::string_view name, Kind* out) {
  for (int i = 0; i < kKinds; ++i) {
    const Kind kind = static_cast<Kind>(i);
    if (kind == Kind::kNamespace || InfoOf(kind).name != name) continue;
    *out = kind;
    return true;
  }
  return false;
}

Status DecodeSelector(const YamlNode& node, std::string_view file, Options* o) {
  std::string role;
  Selector selector;
  YamlDecoder d(node, file, "selector");
  d.String("role", &role).String("label", &selector.label).String("field", &selector.field);
  TRY(d.Finish());
  Kind kind = Kind::kPod;
  if (!ParseRole(role, &kind)) return d.ErrorAt("role", "unknown role " + QuoteGo(role));
  if (!o->selectors.emplace(kind, std::move(selector)).second) {
    return d.ErrorAt("role", "a second selector for role " + role);
  }
  return Status::Ok();
}

Status DecodeAll(YamlDecoder* d, std::string_view file, std::string* role, Options* o) {
  d->String("role", role).String("api_server", &o->api_server);
  d->String("kubeconfig_file", &o->kubeconfig_file);
  d->Child("namespaces", [&](const YamlNode& n) {
    YamlDecoder c(n, file, "namespaces");
    c.Bool("own_namespace", &o->own_namespace).Strings("names", &o->namespaces);
    return c.Finish();
  });
  d->Each("selectors", [&](const YamlNode& n) { return DecodeSelector(n, file, o); });
  d->Child("attach_metadata", [&](const YamlNode& n) {
    YamlDecoder c(n, file, "attach_metadata");
    c.Bool("node", &o->targets.attach_node).Bool("namespace", &o->targets.attach_namespace);
    return c.Finish();
  });
  DecodeHttpClientConfig(d, file, &o->http);
  return d->Finish();
}

// What Prometheus refuses to combine, and why: two ways in cannot both be taken.
Status CheckAccess(const YamlDecoder& d, const Options& o) {
  const bool custom_http = o.http != HttpClientConfig();
  if (!o.api_server.empty()) {
    if (auto url = Url::Parse(o.api_server); !url.ok()) {
      return d.ErrorAt("api_server", url.status().message());
    }
    if (!o.kubeconfig_file.empty()) {
      return d.ErrorAt("kubeconfig_file", "cannot be used together with api_server");
    }
    if (o.own_namespace) {
      return d.ErrorAt("namespaces", "own_namespace cannot be used together with api_server");
    }
    return Status::Ok();
  }
  if (!o.kubeconfig_file.empty() && o.own_namespace) {
    return d.ErrorAt("namespaces", "own_namespace cannot be used together with kubeconfig_file");
  }
  if (custom_http) {
    return d.Error(o.kubeconfig_file.empty()
                       ? "to use a custom HTTP client configuration give api_server explicitly"
                       : "a custom HTTP client configuration cannot be used with kubeconfig_file");
  }
  return Status::Ok();
}

// Prometheus takes a selector of nodes for pods even while attach_metadata is off.
Status CheckSelectors(const YamlDecoder& d, const Options& o) {
  Options with_nodes = o;
  with_nodes.targets.attach_node |= o.targets.role == Kind::kPod;
  const std::vector<Kind> needed = NeededKinds(with_nodes.targets);
  for (const auto& [kind, selector] : o.selectors) {
    if (std::find(needed.begin(), needed.end(), kind) == needed.end()) {
      return d.ErrorAt("selectors", "role " + std::string(InfoOf(o.targets.role).name) +
                                        " has no use for a selector of role " +
                                        std::string(InfoOf(kind).name));
    }
  }
  return Status::Ok();
}

}  // namespace
}  // namespace kubernetes

Result<std::unique_ptr<DiscoveryConfig>> ParseKubernetesConfig(const YamlNode& node,
                                                               std::string_view file) {
  kubernetes::Options o;
  std::string role;
  YamlDecoder d(node, file, "kubernetes_sd_config");
  TRY(kubernetes::DecodeAll(&d, file, &role, &o));
  constexpr std::string_view kRoles = "pod, service, endpoints, endpointslice, node or ingress";
  if (role.empty()) return d.Error("role missing (one of: " + std::string(kRoles) + ")");
  if (!kubernetes::ParseRole(role, &o.targets.role)) {
    return d.ErrorAt("role", "unknown role " + QuoteGo(role) + ", expected " + std::string(kRoles));
  }
  TRY(kubernetes::CheckAccess(d, o));
  TRY(kubernetes::CheckSelectors(d, o));
  o.kubeconfig_file = ResolvePath(file, o.kubeconfig_file);
  return std::unique_ptr<DiscoveryConfig>(std::make_unique<kubernetes::KubernetesConfig>(
      std::move(o), ConfigKey("kubernetes", node, file)));
}

}  // namespace deckwatch::scraper
