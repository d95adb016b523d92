#include "server/commands_query.h"

#include <cstdio>

#include "base/clock.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/labels.h"
#include "base/sample.h"
#include "server/api.h"

namespace deckwatch::server {

namespace {

struct Form {
  std::string text;
  void Add(std::string_view name, std::string_view value) {
    if (!text.empty()) text += '&';
    text += std::string(name) + "=" + UrlEncode(value);
  }
};

// The `data` of the server's answer; its own words when it refuses.
Result<Json> Ask(const std::string& url, const std::string& path, const Form& form,
                 bool get = false) {
  HttpClient client{HttpClientConfig{}};
  HttpRequest request;
  std::string base = url.find("://") == std::string::npos ? "http://" + url : url;
  while (!base.empty() && base.back() == '/') base.pop_back();
  request.url = base + path;
  request.timeout_ms = 120'000;
  if (get) {
    request.url += "?" + form.text;
  } else {
    request.method = "POST";
    request.body = form.text;
    request.content_type = "application/x-www-form-urlencoded";
  }
  TRY_ASSIGN(const HttpResponse response, client.Do(request));
  TRY_ASSIGN(const Json json, Json::Parse(response.body));
  if (json["status"].AsString() != "success") {
    return Status::InvalidArgument(json["errorType"].AsString() + ": " + json["error"].AsString());
  }
  for (const Json& w : json["warnings"].AsArray()) {
    std::fprintf(stderr, "warning: %s\n", w.AsString().c_str());
  }
  return json["data"];
}

Labels LabelsOf(const Json& metric) {
  LabelsBuilder builder;
  for (const auto& [name, value] : metric.AsObject()) builder.Set(name, value.AsString());
  return builder.Build();
}

// "value @[seconds]"; a histogram prints as its JSON.
std::string PointText(const Json& point) {
  const Json::Array& pair = point.AsArray();
  if (pair.size() != 2) return "";
  const std::string value = pair[1].IsString() ? pair[1].AsString() : pair[1].Dump();
  return value + " @[" + FormatFloatPlain(pair[0].AsDouble()) + "]";
}

void PrintSeries(const Json& series, bool matrix) {
  const std::string name = LabelsOf(series["metric"]).ToString();
  if (!matrix) {
    const Json& point = series.Has("histogram") ? series["histogram"] : series["value"];
    std::printf("%s => %s\n", name.c_str(), PointText(point).c_str());
    return;
  }
  std::printf("%s =>\n", name.c_str());
  for (const std::string_view key : {"values", "histograms"}) {
    for (const Json& p : series[key].AsArray()) std::printf("%s\n", PointText(p).c_str());
  }
}

void PrintResult(const Json& data) {
  const std::string& type = data["resultType"].AsString();
  if (type == "scalar" || type == "string") {
    std::printf("%s: %s\n", type.c_str(), PointText(data["result"]).c_str());
    return;
  }
  for (const Json& s : data["result"].AsArray()) PrintSeries(s, type == "matrix");
}

Result<std::string> Argument(const ToolCommand& c, size_t i, std::string_view what) {
  if (i < c.args.size()) return c.args[i];
  return Status::InvalidArgument("missing " + std::string(what));
}

void AddTimes(const ToolCommand& c, Form* form) {
  if (!c.start.empty()) form->Add("start", c.start);
  if (!c.end.empty()) form->Add("end", c.end);
  for (const std::string& m : c.match) form->Add("match[]", m);
}

// A range without times: the last five minutes, in 250 steps, as promtool.
Status AddRange(const ToolCommand& c, Form* form) {
  int64_t end_ms = Clock::Real()->WallMs();
  if (!c.end.empty()) {
    TRY_ASSIGN(end_ms, ParseApiTime(c.end));
  }
  int64_t start_ms = end_ms - 300'000;
  if (!c.start.empty()) {
    TRY_ASSIGN(start_ms, ParseApiTime(c.start));
  }
  form->Add("start", FormatApiTimeMs(start_ms));
  form->Add("end", FormatApiTimeMs(end_ms));
  const int64_t step_ms = std::max<int64_t>((end_ms - start_ms) / 250, 1000);
  form->Add("step", c.step.empty() ? FormatApiTimeMs(step_ms) : c.step);
  return {};
}

Status Evaluate(const ToolCommand& c, const std::string& url) {
  TRY_ASSIGN(const std::string expr, Argument(c, 1, "expression"));
  Form form;
  form.Add("query", expr);
  const bool range = c.name == "query range";
  if (range) TRY(AddRange(c, &form));
  if (!c.time.empty()) form.Add("time", c.time);
  TRY_ASSIGN(const Json data, Ask(url, range ? "/api/v1/query_range" : "/api/v1/query", form));
  if (c.json) {
    std::printf("%s\n", data.Dump().c_str());
  } else {
    PrintResult(data);
  }
  return {};
}

Status ListSeries(const ToolCommand& c, const std::string& url) {
  Form form;
  AddTimes(c, &form);
  TRY_ASSIGN(const Json data, Ask(url, "/api/v1/series", form));
  for (const Json& m : data.AsArray()) std::printf("%s\n", LabelsOf(m).ToString().c_str());
  return {};
}

Status ListValues(const ToolCommand& c, const std::string& url) {
  TRY_ASSIGN(const std::string name, Argument(c, 1, "label name"));
  Form form;
  AddTimes(c, &form);
  TRY_ASSIGN(const Json data, Ask(url, "/api/v1/label/" + UrlEncode(name) + "/values", form, true));
  for (const Json& v : data.AsArray()) std::printf("%s\n", v.AsString().c_str());
  return {};
}

Status Run(const ToolCommand& c) {
  TRY_ASSIGN(const std::string url, Argument(c, 0, "server URL"));
  if (c.name == "query series") return ListSeries(c, url);
  if (c.name == "query labels") return ListValues(c, url);
  return Evaluate(c, url);
}

}  // namespace

int RunQuery(const ToolCommand& command) {
  const Status s = Run(command);
  if (!s.ok()) std::fprintf(stderr, "query error: %s\n", s.message().c_str());
  return s.ok() ? 0 : 1;
}

}  // namespace deckwatch::server
