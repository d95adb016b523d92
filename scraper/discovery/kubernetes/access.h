// How to reach and be admitted to an API server: from inside a pod, by a kubeconfig file, or as
// configured.
#pragma once

#include <string>

#include "base/http_config.h"
#include "base/status.h"

namespace deckwatch::scraper::kubernetes {

struct Access {
  std::string base_url;  // no slash at the end
  HttpClientConfig http;
  std::string own_namespace;  // in a pod only
};

// The service account that every pod is given. `folder` is where it is mounted; host and port come
// from KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT. NotFound outside a cluster.
Result<Access> InClusterAccess(
    const std::string& folder = "/var/run/secrets/kubernetes.io/serviceaccount");

// The current context of a kubeconfig file. Users that need a program (exec, auth-provider) are
// refused.
Result<Access> KubeconfigAccess(const std::string& path);

}  // namespace deckwatch::scraper::kubernetes
