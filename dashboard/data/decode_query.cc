// Query results are the hot part (1 M samples are 35 MB of JSON): simdjson walks the text once and
// writes straight into the columns.
#include <charconv>
#include <cmath>
#include <limits>

#include <simdjson.h>

#include "dashboard/data/decode.h"

namespace deckwatch::dashboard {
namespace {

namespace od = simdjson::ondemand;

Status Bad(std::string_view what, simdjson::error_code error) {
  return Status::Corruption(std::string(what) + ": " + simdjson::error_message(error));
}

#define TRY_JSON(expr, what) \
  if (const auto dw_error = (expr); dw_error != simdjson::SUCCESS) return Bad(what, dw_error)

struct Dropped {
  size_t unordered = 0;
  size_t histogram_series = 0;
};

bool ParseValue(std::string_view text, double* out) {
  const char* first = text.data();
  const char* last = first + text.size();
  if (first != last && *first == '+') ++first;  // "+Inf"; from_chars takes no plus sign
  const auto [end, error] = std::from_chars(first, last, *out);
  return error == std::errc() && end == last;
}

Status ReadSample(od::value pair, Series* out, Dropped* dropped) {
  od::array parts;
  TRY_JSON(pair.get_array().get(parts), "sample");
  double seconds = 0;
  std::string_view text;
  size_t n = 0;
  for (auto part : parts) {
    if (n == 0) TRY_JSON(part.get_double().get(seconds), "sample time");
    if (n == 1) TRY_JSON(part.get_string().get(text), "sample value");
    ++n;
  }
  double value = 0;
  if (n != 2 || !ParseValue(text, &value)) return Status::Corruption("sample is not [time, value]");
  if (!(std::abs(seconds) < 1e13)) return Status::Corruption("sample time is out of range");
  const int64_t t_ms = std::llround(seconds * 1000);
  if (!out->t_ms.empty() && t_ms <= out->t_ms.back()) {
    ++dropped->unordered;
    return Status::Ok();
  }
  out->t_ms.push_back(t_ms);
  out->value.push_back(value);
  return Status::Ok();
}

Status ReadSamples(od::value values, Series* out, Dropped* dropped) {
  od::array samples;
  TRY_JSON(values.get_array().get(samples), "values");
  for (auto sample : samples) {
    od::value pair;
    TRY_JSON(std::move(sample).get(pair), "values");
    TRY(ReadSample(pair, out, dropped));
  }
  return Status::Ok();
}

Status ReadMetric(od::value metric, Labels* out) {
  od::object labels;
  TRY_JSON(metric.get_object().get(labels), "metric");
  LabelsBuilder builder;
  for (auto field : labels) {
    std::string_view name, value;
    TRY_JSON(field.unescaped_key().get(name), "label name");
    const std::string kept(name);  // the next string may reuse the unescape buffer
    TRY_JSON(field.value().get_string().get(value), "label value");
    builder.Set(kept, value);
  }
  *out = builder.Build();
  return Status::Ok();
}

Status ReadSeries(od::value element, QueryResult* out, Dropped* dropped) {
  od::object object;
  TRY_JSON(element.get_object().get(object), "series");
  Series series;
  for (auto field : object) {
    std::string_view key;
    od::value value;
    TRY_JSON(field.unescaped_key().get(key), "series");
    TRY_JSON(field.value().get(value), "series");
    if (key == "metric") {
      TRY(ReadMetric(value, &series.labels));
    } else if (key == "values") {
      if (!out->series.empty()) {
        series.t_ms.reserve(out->series.back().t_ms.size());
        series.value.reserve(out->series.back().t_ms.size());
      }
      TRY(ReadSamples(value, &series, dropped));
    } else if (key == "value") {
      TRY(ReadSample(value, &series, dropped));
    } else if (key == "histograms" || key == "histogram") {
      ++dropped->histogram_series;
    }
  }
  if (!series.t_ms.empty()) out->series.push_back(std::move(series));
  return Status::Ok();
}

Status ReadData(od::value data, QueryResult* out, Dropped* dropped) {
  od::object object;
  TRY_JSON(data.get_object().get(object), "data");
  std::string_view type;
  TRY_JSON(object["resultType"].get_string().get(type), "resultType");
  const std::string kind(type);
  od::value result;
  TRY_JSON(object["result"].get(result), "result");
  if (kind == "scalar") {
    Series series;
    TRY(ReadSample(result, &series, dropped));
    out->series.push_back(std::move(series));
    return Status::Ok();
  }
  if (kind == "string") {
    out->warnings.push_back("the query gives a string, which cannot be drawn");
    return Status::Ok();
  }
  if (kind != "vector" && kind != "matrix") {
    return Status::Corruption("unknown resultType " + kind);
  }
  od::array elements;
  TRY_JSON(result.get_array().get(elements), "result");
  for (auto element : elements) {
    od::value value;
    TRY_JSON(std::move(element).get(value), "result");
    TRY(ReadSeries(value, out, dropped));
  }
  return Status::Ok();
}

Status ReadStrings(od::value list, std::vector<std::string>* out) {
  od::array strings;
  TRY_JSON(list.get_array().get(strings), "warnings");
  for (auto item : strings) {
    std::string_view text;
    TRY_JSON(item.get_string().get(text), "warnings");
    out->emplace_back(text);
  }
  return Status::Ok();
}

Status ReadAnswer(od::document& document, QueryResult* out, Dropped* dropped) {
  od::object root;
  TRY_JSON(document.get_object().get(root), "answer");
  std::string status, error;
  bool has_data = false;
  for (auto field : root) {
    std::string_view key, text;
    od::value value;
    TRY_JSON(field.unescaped_key().get(key), "answer");
    TRY_JSON(field.value().get(value), "answer");
    if (key == "status") {
      TRY_JSON(value.get_string().get(text), "status");
      status = text;
    } else if (key == "error") {
      TRY_JSON(value.get_string().get(text), "error");
      error = text;
    } else if (key == "data" && status != "error") {
      TRY(ReadData(value, out, dropped));
      has_data = true;
    } else if (key == "warnings" || key == "infos") {
      TRY(ReadStrings(value, &out->warnings));
    }
  }
  if (status == "error") return Status::InvalidArgument(error.empty() ? "query failed" : error);
  if (!has_data) return Status::Corruption("answer has no data");
  return Status::Ok();
}

}  // namespace

Result<QueryResult> DecodeQueryResult(std::string body) {
  const size_t size = body.size();
  body.reserve(size + simdjson::SIMDJSON_PADDING);
  od::parser parser;
  od::document document;
  TRY_JSON(parser.iterate(simdjson::padded_string_view(body.data(), size, body.capacity()))
               .get(document),
           "answer");
  QueryResult out;
  Dropped dropped;
  TRY(ReadAnswer(document, &out, &dropped));
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) {
    return Status::Corruption("answer: bytes after the end");
  }
  if (dropped.unordered > 0) {
    out.warnings.push_back(std::to_string(dropped.unordered) + " samples out of order left out");
  }
  if (dropped.histogram_series > 0) {
    out.warnings.push_back(std::to_string(dropped.histogram_series) +
                           " native histogram series are not drawn; use histogram_quantile()");
  }
  return out;
}

}  // namespace deckwatch::dashboard
