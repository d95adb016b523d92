// /api/v1/series, labels, label/<name>/values, metadata.
#include <charconv>

#include "server/api.h"
#include "server/result_json.h"

namespace deckwatch::server {

namespace {

// One more than the caller's limit is asked for, so that a cut is noticed.
size_t AskFor(size_t limit) {
  return limit == 0 ? 0 : limit + 1;
}

LabelQuery ReadLabelQuery(ParamReader* p, size_t* limit,
                          ParamReader::Refusal refusal = ParamReader::Refusal::kPlain) {
  LabelQuery q;
  *limit = p->Limit();
  q.start_ms = p->Time("start", kMinTimeMs);
  q.end_ms = p->Time("end", kMaxTimeMs);
  q.matcher_sets = p->Matchers(refusal);
  q.limit = AskFor(*limit);
  return q;
}

ApiResult StringsData(const Querier& querier, Result<std::vector<std::string>> values,
                      size_t limit) {
  if (!values.ok()) return ApiResult::FromStatus(values.status());
  ApiResult out;
  out.annotations.warnings = querier.Losses();
  Truncate(&*values, limit, &out.annotations);
  JsonWriter w(&out.data);
  WriteStrings(&w, *values);
  return out;
}

ApiResult Series(const ApiContext& c, const Request& request) {
  if (request.Params("match[]").empty()) {
    return ApiResult::Error(ApiErrorType::kBadData, "no match[] parameter provided");
  }
  ParamReader p(request);
  size_t limit;
  const LabelQuery q = ReadLabelQuery(&p, &limit, ParamReader::Refusal::kNamed);
  if (!p.ok()) return p.error();
  const auto querier = c.db->NewQuerier();
  if (!querier.ok()) return ApiResult::FromStatus(querier.status());
  auto series = (*querier)->Series(q);
  if (!series.ok()) return ApiResult::FromStatus(series.status());
  ApiResult out;
  out.annotations.warnings = (*querier)->Losses();
  Truncate(&*series, limit, &out.annotations);
  out.data = "[";
  for (const Labels& l : *series) {
    AppendLabels(l, &out.data);
    out.data += ',';
  }
  if (series->empty()) {
    out.data += ']';
  } else {
    out.data.back() = ']';
  }
  return out;
}

ApiResult LabelNames(const ApiContext& c, const Request& request) {
  ParamReader p(request);
  size_t limit;
  const LabelQuery q = ReadLabelQuery(&p, &limit);
  if (!p.ok()) return p.error();
  const auto querier = c.db->NewQuerier();
  if (!querier.ok()) return ApiResult::FromStatus(querier.status());
  return StringsData(**querier, (*querier)->LabelNames(q), limit);
}

void AppendUtf8(uint32_t rune, std::string* out) {
  if (rune < 0x80) {
    *out += static_cast<char>(rune);
  } else if (rune < 0x800) {
    *out += static_cast<char>(0xc0 | rune >> 6);
    *out += static_cast<char>(0x80 | (rune & 0x3f));
  } else if (rune < 0x10000) {
    *out += static_cast<char>(0xe0 | rune >> 12);
    *out += static_cast<char>(0x80 | (rune >> 6 & 0x3f));
    *out += static_cast<char>(0x80 | (rune & 0x3f));
  } else {
    *out += static_cast<char>(0xf0 | rune >> 18);
    *out += static_cast<char>(0x80 | (rune >> 12 & 0x3f));
    *out += static_cast<char>(0x80 | (rune >> 6 & 0x3f));
    *out += static_cast<char>(0x80 | (rune & 0x3f));
  }
}

// "U__my_2e_label" -> "my.label": the value encoding of names outside the legacy set ("__" is an
// underscore, "_HEX_" a code point). A name that is not well formed stays as it is.
std::string UnescapeName(const std::string& name) {
  if (name.substr(0, 3) != "U__") return name;
  std::string out;
  for (size_t i = 3; i < name.size(); ++i) {
    if (name[i] != '_') {
      out += name[i];
      continue;
    }
    const size_t end = name.find('_', i + 1);
    if (end == std::string::npos || end - i > 7) return name;
    if (end == i + 1) {
      out += '_';
    } else {
      uint32_t rune = 0;
      const auto [p, ec] = std::from_chars(&name[i + 1], &name[end], rune, 16);
      if (ec != std::errc() || p != &name[end] || rune > 0x10ffff) return name;
      AppendUtf8(rune, &out);
    }
    i = end;
  }
  return out;
}

ApiResult LabelValues(const ApiContext& c, const Request& request) {
  const std::string name = UnescapeName(request.path_value);
  if (name.empty() || !IsValidUtf8(name)) {
    return ApiResult::Error(ApiErrorType::kBadData, "invalid label name: " + QuoteGo(name));
  }
  ParamReader p(request);
  size_t limit;
  const LabelQuery q = ReadLabelQuery(&p, &limit);
  if (!p.ok()) return p.error();
  const auto querier = c.db->NewQuerier();
  if (!querier.ok()) return ApiResult::FromStatus(querier.status());
  return StringsData(**querier, (*querier)->LabelValues(name, q), limit);
}

ApiResult Metadata(const ApiContext& c, const Request& request) {
  ParamReader p(request);
  const int64_t limit = p.MetadataLimit("limit");
  p.MetadataLimit("limit_per_metric");  // there is never more than one entry
  if (!p.ok()) return p.error();
  ApiResult out;
  JsonWriter w(&out.data);
  w.BeginObject();
  int64_t count = 0;
  for (const MetricMetadata& m : c.db->Metadata(request.Param("metric"))) {
    if (limit >= 0 && count++ >= limit) break;
    w.Key(m.name).BeginArray().BeginObject().Key("type").String(MetricTypeName(m.type));
    w.Key("help").String(m.help).Key("unit").String(m.unit).EndObject().EndArray();
  }
  w.EndObject();
  return out;
}

}  // namespace

void RegisterSeriesApi(Api* api) {
  const ApiContext* c = api->context();
  const auto add = [&](std::string_view methods, std::string_view path, auto function) {
    api->Add(methods, path, Lane::kQuery,
             [c, function](const Request& r) { return function(*c, r); });
  };
  add("GET POST", "/series", Series);
  add("GET POST", "/labels", LabelNames);
  add("GET", "/label/*/values", LabelValues);
  add("GET", "/metadata", Metadata);
}

}  // namespace deckwatch::server
