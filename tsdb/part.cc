#include "tsdb/part.h"

namespace deckwatch::tsdb {

std::string_view PartLevelName(PartLevel level) {
  switch (level) {
    case PartLevel::kWindow: return "window";
    case PartLevel::kHours: return "2h";
    case PartLevel::kDay: return "day";
    case PartLevel::kRange: return "range";
  }
  return "unknown";
}

void PartMeta::EncodeTo(std::string* out) const {
  PutVarint(out, kPartVersion);
  out->push_back(static_cast<char>(level));
  PutSignedVarint(out, min_ms);
  PutSignedVarint(out, max_ms);
  for (uint64_t v : {series, samples, pairs, clocks, value_bytes, index_bytes, label_raw_bytes,
                     postings_raw_bytes, clock_raw_bytes}) {
    PutVarint(out, v);
  }
}

Result<PartMeta> PartMeta::Decode(std::string_view data) {
  PartMeta m;
  Reader in(data);
  uint64_t version;
  uint8_t level = 0;
  if (!in.GetVarint(&version)) return Status::Corruption("part meta is empty");
  if (version != kPartVersion) {
    return Status::InvalidArgument("part format version " + std::to_string(version) +
                                   " is not known; this program reads " +
                                   std::to_string(kPartVersion));
  }
  in.GetByte(&level);
  in.GetSignedVarint(&m.min_ms);
  in.GetSignedVarint(&m.max_ms);
  for (uint64_t* v : {&m.series, &m.samples, &m.pairs, &m.clocks, &m.value_bytes, &m.index_bytes,
                      &m.label_raw_bytes, &m.postings_raw_bytes, &m.clock_raw_bytes}) {
    in.GetVarint(v);
  }
  if (!in.ok() || level > static_cast<uint8_t>(PartLevel::kRange) || m.series > UINT32_MAX ||
      m.pairs > UINT32_MAX || m.clocks > UINT32_MAX) {
    return Status::Corruption("part meta is damaged");
  }
  m.level = static_cast<PartLevel>(level);
  return m;
}

bool SeriesBefore(LabelsView a, LabelsView b) {
  const int by_name = a.MetricName().compare(b.MetricName());
  return by_name != 0 ? by_name < 0 : a < b;
}

std::string PartKey(char kind, uint32_t number) {
  std::string key(1, kind);
  PutBig32(&key, number);
  return key;
}

std::string PairText(std::string_view name, std::string_view value) {
  std::string out;
  out.reserve(2 + name.size() + value.size());
  out.push_back(static_cast<char>(name.size() >> 8));
  out.push_back(static_cast<char>(name.size() & 0xff));
  out.append(name);
  out.append(value);
  return out;
}

bool SplitPair(std::string_view text, std::string_view* name, std::string_view* value) {
  if (text.size() < 2) return false;
  const size_t n = static_cast<size_t>(static_cast<uint8_t>(text[0])) << 8 |
                   static_cast<size_t>(static_cast<uint8_t>(text[1]));
  if (text.size() < 2 + n) return false;
  *name = text.substr(2, n);
  *value = text.substr(2 + n);
  return true;
}

}  // namespace deckwatch::tsdb
