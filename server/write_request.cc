#include "server/write_request.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include <protozero/pbf_reader.hpp>

#include "base/bytes.h"

namespace deckwatch::server {

namespace {

using protozero::pbf_reader;

// A field by its number in prompb/types.proto and remote.proto and by its wire type: a known number
// with another wire type is skipped like an unknown one.
constexpr uint32_t Bytes(uint32_t number) {
  return protozero::tag_and_type(number, protozero::pbf_wire_type::length_delimited);
}
constexpr uint32_t Varint(uint32_t number) {
  return protozero::tag_and_type(number, protozero::pbf_wire_type::varint);
}
constexpr uint32_t Fixed64(uint32_t number) {
  return protozero::tag_and_type(number, protozero::pbf_wire_type::fixed64);
}

std::string_view View(protozero::data_view v) {
  return {v.data(), v.size()};
}

constexpr size_t kMaxExemplarCharacters = 128;  // OpenMetrics' bound

size_t CountCharacters(std::string_view utf8) {
  return static_cast<size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

Labels LabelsOf(std::string_view wire, bool* well_formed) {
  LabelsBuilder builder;
  pbf_reader labels(wire.data(), wire.size());
  while (labels.next(1, protozero::pbf_wire_type::length_delimited)) {
    pbf_reader label = labels.get_message();
    std::string_view name, value;
    while (label.next()) {
      switch (label.tag_and_type()) {
        case Bytes(1): name = View(label.get_view()); break;
        case Bytes(2): value = View(label.get_view()); break;
        default: label.skip();
      }
    }
    if (name.empty() || !IsValidUtf8(name) || !IsValidUtf8(value) || !builder.Get(name).empty()) {
      *well_formed = false;
    }
    builder.Set(name, value);
  }
  return builder.Build();
}

// A sample is nearly always written in one way: value, then time. Anything else takes the slow way.
bool FastSample(std::string_view m, double* value, int64_t* t_ms) {
  if (m.size() < 11 || m[0] != 0x09 || m[9] != 0x10) return false;
  std::memcpy(value, m.data() + 1, sizeof *value);
  uint64_t t = 0;
  size_t i = 10;
  for (int shift = 0; i < m.size() && shift < 64; shift += 7, ++i) {
    t |= static_cast<uint64_t>(m[i] & 0x7f) << shift;
    if ((m[i] & 0x80) == 0) break;
  }
  *t_ms = static_cast<int64_t>(t);
  return i + 1 == m.size();
}

void AddSample(std::string_view m, WriteBatch* batch) {
  double value = 0;
  int64_t t_ms = 0;
  if (!FastSample(m, &value, &t_ms)) {
    value = 0;
    t_ms = 0;
    pbf_reader sample(m.data(), m.size());
    while (sample.next()) {
      switch (sample.tag_and_type()) {
        case Fixed64(1): value = sample.get_double(); break;
        case Varint(2): t_ms = sample.get_int64(); break;
        default: sample.skip();
      }
    }
  }
  batch->t_ms.push_back(t_ms);
  batch->value.push_back(value);
}

// Nothing when its labels are malformed or too long.
std::optional<Exemplar> ExemplarOf(std::string_view m) {
  Exemplar e;
  std::string wire;
  pbf_reader reader(m.data(), m.size());
  while (reader.next()) {
    switch (reader.tag_and_type()) {
      case Bytes(1): {
        // Kept in wire form: LabelsOf reads a run of such fields.
        const std::string_view label = View(reader.get_view());
        wire += '\x0a';
        PutString(&wire, label);
        break;
      }
      case Fixed64(2): e.value = reader.get_double(); break;
      case Varint(3): e.t_ms = reader.get_int64(); break;
      default: reader.skip();
    }
  }
  bool well_formed = true;
  e.labels = LabelsOf(wire, &well_formed);
  size_t characters = 0;
  for (const LabelRef l : e.labels) {
    characters += CountCharacters(l.name) + CountCharacters(l.value);
  }
  if (!well_formed || characters > kMaxExemplarCharacters) return std::nullopt;
  return e;
}

HistogramSpan SpanOf(pbf_reader m) {
  HistogramSpan span;
  while (m.next()) {
    switch (m.tag_and_type()) {
      case Varint(1): span.offset = m.get_sint32(); break;
      case Varint(2): span.length = m.get_uint32(); break;
      default: m.skip();
    }
  }
  return span;
}

template <typename Range>
void AppendDeltas(const Range& deltas, std::vector<double>* out) {
  int64_t count = 0;
  for (const int64_t d : deltas) {
    count = static_cast<int64_t>(static_cast<uint64_t>(count) + static_cast<uint64_t>(d));
    out->push_back(static_cast<double>(count));
  }
}

template <typename Range>
void AppendAll(const Range& values, std::vector<double>* out) {
  out->insert(out->end(), values.begin(), values.end());
}

void ReadHistogramField(pbf_reader* m, Histogram* h, int64_t* t_ms) {
  switch (m->tag_and_type()) {
    case Varint(1):
      h->integer = true;
      h->count = static_cast<double>(m->get_uint64());
      break;
    case Fixed64(2): h->count = m->get_double(); break;
    case Fixed64(3): h->sum = m->get_double(); break;
    case Varint(4): h->schema = m->get_sint32(); break;
    case Fixed64(5): h->zero_threshold = m->get_double(); break;
    case Varint(6): h->zero_count = static_cast<double>(m->get_uint64()); break;
    case Fixed64(7): h->zero_count = m->get_double(); break;
    case Bytes(8): h->negative_spans.push_back(SpanOf(m->get_message())); break;
    case Bytes(9): AppendDeltas(m->get_packed_sint64(), &h->negative_buckets); break;
    case Bytes(10): AppendAll(m->get_packed_double(), &h->negative_buckets); break;
    case Bytes(11): h->positive_spans.push_back(SpanOf(m->get_message())); break;
    case Bytes(12): AppendDeltas(m->get_packed_sint64(), &h->positive_buckets); break;
    case Bytes(13): AppendAll(m->get_packed_double(), &h->positive_buckets); break;
    case Varint(14): h->hint = static_cast<CounterResetHint>(m->get_enum() & 3); break;
    case Varint(15): *t_ms = m->get_int64(); break;
    case Bytes(16): AppendAll(m->get_packed_double(), &h->custom_values); break;
    default: m->skip();
  }
}

// The spans name as many buckets as there are, in ascending order, none with an absurd number.
bool SpansMatch(const std::vector<HistogramSpan>& spans, const std::vector<double>& buckets) {
  constexpr int64_t kMaxBucket = 1 << 29;  // no double is in one that far out
  uint64_t length = 0;
  int64_t next = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    if (i > 0 && spans[i].offset < 0) return false;
    length += spans[i].length;
    next += spans[i].offset;
    if (next < -kMaxBucket || next + int64_t{spans[i].length} > kMaxBucket) return false;
    next += spans[i].length;
  }
  return length == buckets.size() &&
         std::none_of(buckets.begin(), buckets.end(), [](double b) { return b < 0; });
}

// The number after that of the last bucket; huge when the first is below 0.
uint64_t BucketsEnd(const std::vector<HistogramSpan>& spans) {
  if (!spans.empty() && spans[0].offset < 0) return UINT64_MAX;
  uint64_t end = 0;
  for (const HistogramSpan& s : spans) end += static_cast<uint64_t>(s.offset) + s.length;
  return end;
}

// Every observation is in a bucket, but those of NaN.
bool CountFits(const Histogram& h) {
  if (!h.integer) return true;
  double sum = h.zero_count;
  for (const double b : h.positive_buckets) sum += b;
  for (const double b : h.negative_buckets) sum += b;
  return std::isnan(h.sum) ? sum <= h.count : sum == h.count;
}

// What the store and the engine take for granted about a histogram.
Status CheckHistogram(const Histogram& h) {
  const bool custom = h.schema == kCustomBucketsSchema;
  if (!custom && (h.schema < kMinExponentialSchema || h.schema > kMaxExponentialSchema)) {
    return Status::InvalidArgument("histogram has unknown schema " + std::to_string(h.schema));
  }
  if (!SpansMatch(h.positive_spans, h.positive_buckets) ||
      !SpansMatch(h.negative_spans, h.negative_buckets)) {
    return Status::InvalidArgument("histogram spans do not match its buckets");
  }
  for (size_t i = 0; i < h.custom_values.size(); ++i) {
    if (!std::isfinite(h.custom_values[i]) ||
        (i > 0 && h.custom_values[i - 1] >= h.custom_values[i])) {
      return Status::InvalidArgument("histogram bounds do not rise");
    }
  }
  if (custom && (!h.negative_buckets.empty() || h.zero_count != 0 ||
                 BucketsEnd(h.positive_spans) > h.custom_values.size() + 1)) {
    return Status::InvalidArgument("histogram with custom bounds has other buckets");
  }
  if (!CountFits(h)) {
    return Status::InvalidArgument("histogram's count is not that of its buckets");
  }
  return {};
}

void AddHistogram(pbf_reader m, uint32_t series, WriteRequest* out) {
  auto h = std::make_shared<Histogram>();
  int64_t t_ms = 0;
  while (m.next()) ReadHistogramField(&m, h.get(), &t_ms);
  if (const Status s = CheckHistogram(*h); !s.ok()) {
    if (out->refused_histograms++ == 0) out->refusal = s;
    return;
  }
  out->batch.histograms.push_back({kNoSeries, t_ms, std::move(h)});
  out->histogram_series.push_back(series);
}

// The label fields of one series as one run of bytes: a view when they are contiguous.
class LabelRun {
 public:
  // `field` is the whole field with tag and length.
  void Add(std::string_view field, std::deque<std::string>* gathered) {
    if (run_.empty()) {
      run_ = field;
    } else if (!copy_ && run_.data() + run_.size() == field.data()) {
      run_ = {run_.data(), run_.size() + field.size()};
    } else {
      if (!copy_) copy_ = &gathered->emplace_back(run_);
      run_ = copy_->append(field);
    }
  }
  std::string_view run() const { return run_; }

 private:
  std::string_view run_;
  std::string* copy_ = nullptr;
};

void DecodeSeries(std::string_view message, WriteRequest* out) {
  const auto index = static_cast<uint32_t>(out->series.size());
  LabelRun labels;
  pbf_reader m(message.data(), message.size());
  for (const char* begin = message.data(); m.next(); begin = m.data().data()) {
    switch (m.tag_and_type()) {
      case Bytes(1): {
        const std::string_view label = View(m.get_view());
        labels.Add({begin, static_cast<size_t>(label.data() + label.size() - begin)},
                   &out->gathered);
        break;
      }
      case Bytes(2): AddSample(View(m.get_view()), &out->batch); break;
      case Bytes(3):
        if (auto exemplar = ExemplarOf(View(m.get_view()))) {
          out->batch.exemplars.push_back({kNoSeries, std::move(*exemplar)});
          out->exemplar_series.push_back(index);
        } else {
          ++out->refused_exemplars;
        }
        break;
      case Bytes(4): AddHistogram(m.get_message(), index, out); break;
      default: m.skip();
    }
  }
  out->series.push_back({labels.run(), static_cast<uint32_t>(out->batch.t_ms.size())});
}

MetricMetadata MetadataOf(pbf_reader m) {
  MetricMetadata out;
  while (m.next()) {
    switch (m.tag_and_type()) {
      case Varint(1): {
        const int32_t type = m.get_enum();
        if (type >= 0 && type <= static_cast<int32_t>(MetricType::kStateSet)) {
          out.type = static_cast<MetricType>(type);
        }
        break;
      }
      case Bytes(2): out.name = m.get_string(); break;
      case Bytes(4): out.help = m.get_string(); break;
      case Bytes(5): out.unit = m.get_string(); break;
      default: m.skip();
    }
  }
  return out;
}

}  // namespace

Status DecodeWriteRequest(std::string_view message, WriteRequest* out) {
  out->series.clear();
  out->batch.Clear();
  out->histogram_series.clear();
  out->exemplar_series.clear();
  out->gathered.clear();
  out->refused_histograms = out->refused_exemplars = 0;
  out->refusal = {};
  try {
    pbf_reader m(message.data(), message.size());
    while (m.next()) {
      switch (m.tag_and_type()) {
        case Bytes(1): DecodeSeries(View(m.get_view()), out); break;
        case Bytes(3): out->batch.metadata.push_back(MetadataOf(m.get_message())); break;
        default: m.skip();
      }
    }
  } catch (const std::exception& e) {
    return Status::InvalidArgument(std::string("malformed write request: ") + e.what());
  }
  out->batch.ref.assign(out->batch.t_ms.size(), kNoSeries);
  return {};
}

Result<Labels> DecodeWireLabels(std::string_view wire) {
  try {
    bool well_formed = true;
    Labels labels = LabelsOf(wire, &well_formed);
    if (!well_formed) return Status::InvalidArgument("malformed label set " + labels.ToString());
    if (!labels.Has(kMetricName)) {
      return Status::InvalidArgument("series without a metric name " + labels.ToString());
    }
    return labels;
  } catch (const std::exception& e) {
    return Status::InvalidArgument(std::string("malformed labels: ") + e.what());
  }
}

}  // namespace deckwatch::server
