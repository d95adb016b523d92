// The sections of prometheus.yml that no other room reads: alerting, remote_write, remote_read,
// otlp, tracing, storage, runtime. All keys of Prometheus are known and checked, so that a file
// that one accepts the other accepts; what does nothing yet is listed in Config::without_effect.
#pragma once

#include "base/yaml.h"
#include "server/config.h"

namespace deckwatch::server {

// Takes those keys out of `d`, which stands on `root`.
Status DecodeOtherSections(YamlDecoder* d, const YamlNode& root, Config* out);

}  // namespace deckwatch::server
