#include "server/api.h"

#include <charconv>
#include <cmath>

#include "base/sample.h"
#include "query/parser.h"
#include "server/result_json.h"

namespace deckwatch::server {

namespace {

std::string_view ErrorTypeName(ApiErrorType type) {
  switch (type) {
    case ApiErrorType::kNone: return "";
    case ApiErrorType::kTimeout: return "timeout";
    case ApiErrorType::kCanceled: return "canceled";
    case ApiErrorType::kExecution: return "execution";
    case ApiErrorType::kBadData: return "bad_data";
    case ApiErrorType::kInternal: return "internal";
    case ApiErrorType::kUnavailable: return "unavailable";
    case ApiErrorType::kNotFound: return "not_found";
  }
  return "internal";
}

int HttpCode(ApiErrorType type) {
  switch (type) {
    case ApiErrorType::kNone: return 200;
    case ApiErrorType::kBadData: return 400;
    case ApiErrorType::kNotFound: return 404;
    case ApiErrorType::kExecution: return 422;
    case ApiErrorType::kCanceled: return 499;
    case ApiErrorType::kTimeout: return 503;
    case ApiErrorType::kInternal:
    case ApiErrorType::kUnavailable: return 500;
  }
  return 500;
}

// A member with an array of strings; none when there are none.
void AppendTexts(std::string_view key, const std::vector<std::string>& texts, std::string* out) {
  if (texts.empty()) return;
  out->append(",\"").append(key).append("\":");
  JsonWriter w(out);
  WriteStrings(&w, texts);
}

void Respond(ApiResult result, Response* response) {
  response->content_type = "application/json";
  response->status = HttpCode(result.error_type);
  const bool failed = result.error_type != ApiErrorType::kNone;
  if (!failed && result.data.empty()) {
    response->status = 204;
    return;
  }
  std::string& body = response->body;
  if (failed) {
    body = "{\"status\":\"error\",\"errorType\":";
    AppendJsonString(&body, ErrorTypeName(result.error_type));
    body += ",\"error\":";
    AppendJsonString(&body, result.error);
  } else {
    body = std::move(result.data);  // may be large: nothing is copied
    body.insert(0, "{\"status\":\"success\",\"data\":");
  }
  AppendTexts("warnings", result.annotations.warnings, &body);
  AppendTexts("infos", result.annotations.infos, &body);
  body += '}';
}

}  // namespace

ApiResult ApiResult::BadParameter(std::string_view name, std::string_view reason) {
  return Error(ApiErrorType::kBadData,
               "invalid parameter " + QuoteGo(name) + ": " + std::string(reason));
}

ApiResult ApiResult::FromStatus(const Status& status) {
  switch (status.code()) {
    case StatusCode::kCancelled: return Error(ApiErrorType::kCanceled, status.message());
    case StatusCode::kDeadlineExceeded: return Error(ApiErrorType::kTimeout, status.message());
    case StatusCode::kUnavailable: return Error(ApiErrorType::kUnavailable, status.message());
    case StatusCode::kCorruption:
    case StatusCode::kIo: return Error(ApiErrorType::kInternal, status.message());
    default: return Error(ApiErrorType::kExecution, status.message());
  }
}

void SetCors(const Request& request, Response* response) {
  response->headers.emplace_back("Vary", "Origin");
  if (request.Header("Origin").empty()) return;
  response->headers.emplace_back("Access-Control-Allow-Headers",
                                 "Accept, Authorization, Content-Type, Origin");
  response->headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  response->headers.emplace_back("Access-Control-Allow-Origin", "*");
  response->headers.emplace_back("Access-Control-Expose-Headers", "Date");
}

bool ReadyGate(const ApiContext& context, Response* response) {
  if (context.ready.load(std::memory_order_acquire)) return true;
  response->Text(503, "Service Unavailable");
  return false;
}

void Api::RegisterAll() {
  RegisterQueryApi(this);
  RegisterSeriesApi(this);
  RegisterTargetsApi(this);
  RegisterRulesApi(this);
  RegisterStatusApi(this);
  RegisterAdminApi(this);
  RegisterWriteApi(this);
  RegisterFeaturesApi(this);
  RegisterFederateApi(this);
  // A page of another origin asks before it learns that there is nothing.
  server_->SetFallback([](const Request& request, Response* response) {
    if (request.method != "OPTIONS" || !request.path.starts_with("/api/v1/")) return;
    SetCors(request, response);
    response->Text(204, "");
  });
}

void Api::Add(std::string_view methods, std::string_view path, Lane lane, ApiFunction function) {
  server_->Route(std::string(methods) + " OPTIONS", "/api/v1" + std::string(path), lane,
                 [context = context_, function = std::move(function)](const Request& request,
                                                                      Response* response) {
                   SetCors(request, response);
                   if (request.method == "OPTIONS") return response->Text(204, "");
                   if (ReadyGate(*context, response)) Respond(function(request), response);
                 });
}

Result<int64_t> ParseApiTime(std::string_view text) {
  double seconds;
  if (ParseFloat(text, &seconds) && std::isfinite(seconds) && std::abs(seconds) < 9e15) {
    double whole;
    const double fraction = std::modf(seconds, &whole);
    return static_cast<int64_t>(whole) * 1000 + static_cast<int64_t>(std::round(fraction * 1000));
  }
  if (auto t = ParseRfc3339Ms(text); t.ok()) return *t;
  // What clients send for "everything": the far ends of Go's time.
  if (text == "-292273086-05-16T16:47:06Z") return kMinTimeMs;
  if (text == "+292277025-08-18T07:12:54.999999999Z") return kMaxTimeMs;
  return Status::InvalidArgument("cannot parse " + QuoteGo(text) + " to a valid timestamp");
}

Result<int64_t> ParseApiDuration(std::string_view text) {
  double seconds;
  if (ParseFloat(text, &seconds)) {
    if (!(std::abs(seconds) < 9.2e9)) {
      return Status::InvalidArgument("cannot parse " + QuoteGo(text) +
                                     " to a valid duration. It overflows int64");
    }
    return static_cast<int64_t>(seconds * 1000);
  }
  if (auto d = ParseDurationMs(text); d.ok()) return *d;
  return Status::InvalidArgument("cannot parse " + QuoteGo(text) + " to a valid duration");
}

Result<int64_t> ParseApiInteger(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
  int64_t v = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), v);
  if (ec != std::errc::invalid_argument && end == digits.data() + digits.size()) {
    if (ec == std::errc()) return v;
    return Status::InvalidArgument("parsing " + QuoteGo(text) + ": value out of range");
  }
  return Status::InvalidArgument("parsing " + QuoteGo(text) + ": invalid syntax");
}

void ParamReader::Fail(std::string_view name, std::string_view reason) {
  if (ok()) error_ = ApiResult::BadParameter(name, reason);
}

int64_t ParamReader::Time(std::string_view name, int64_t fallback) {
  const std::string_view text = request_.Param(name);
  if (text.empty()) return fallback;
  const auto t = ParseApiTime(text);
  if (t.ok()) return *t;
  Fail(name, "invalid time value for '" + std::string(name) + "': " + t.status().message());
  return fallback;
}

int64_t ParamReader::RequiredTime(std::string_view name) {
  const auto t = ParseApiTime(request_.Param(name));
  if (t.ok()) return *t;
  Fail(name, t.status().message());
  return 0;
}

int64_t ParamReader::Duration(std::string_view name, int64_t fallback) {
  const std::string_view text = request_.Param(name);
  if (text.empty()) return fallback;
  const auto d = ParseApiDuration(text);
  if (d.ok()) return *d;
  Fail(name, d.status().message());
  return fallback;
}

size_t ParamReader::Limit(std::string_view name) {
  const std::string_view text = request_.Param(name);
  if (text.empty()) return 0;
  const auto v = ParseApiInteger(text);
  if (!v.ok()) {
    Fail(name, "strconv.Atoi: " + v.status().message());
    return 0;
  }
  if (*v < 0) Fail(name, "limit must be non-negative");
  return *v < 0 ? 0 : static_cast<size_t>(*v);
}

int64_t ParamReader::MetadataLimit(std::string_view name) {
  const std::string_view text = request_.Param(name);
  if (text.empty()) return -1;
  const auto v = ParseApiInteger(text);
  if (!v.ok()) Refuse(std::string(name) + " must be a number");
  return v.ok() ? *v : -1;
}

bool ParamReader::Switch(std::string_view name, std::string_view complaint) {
  const std::string_view text = request_.Param(name);
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"", "0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  Fail(name, std::string(complaint) + ": strconv.ParseBool: parsing " + QuoteGo(text) +
                 ": invalid syntax");
  return false;
}

std::vector<std::vector<Matcher>> ParamReader::Matchers(Refusal refusal) {
  std::vector<std::vector<Matcher>> sets;
  for (const std::string& text : request_.Params("match[]")) {
    auto matchers = query::ParseSelector(text);
    if (!matchers.ok()) {
      const std::string& reason = matchers.status().message();
      if (refusal == Refusal::kNamed) Fail("match[]", reason);
      Refuse(reason);
      return {};
    }
    sets.push_back(std::move(matchers).value());
  }
  return sets;
}

void WriteLabels(JsonWriter* w, LabelsView labels) {
  std::string text;
  AppendLabels(labels, &text);
  w->Raw(text);
}

void WriteStrings(JsonWriter* w, const std::vector<std::string>& values) {
  w->BeginArray();
  for (const std::string& v : values) w->String(v);
  w->EndArray();
}

std::string FormatApiTimeMs(int64_t t_ms) {
  const uint64_t t = t_ms < 0 ? 0 - static_cast<uint64_t>(t_ms) : static_cast<uint64_t>(t_ms);
  std::string out = t_ms < 0 ? "-" : "";
  out += std::to_string(t / 1000);
  if (t % 1000 != 0) {
    const std::string fraction = std::to_string(1000 + t % 1000);
    out += "." + fraction.substr(1);
  }
  return out;
}

std::string FormatApiInstant(int64_t t_ms) {
  return t_ms == 0 ? "0001-01-01T00:00:00Z" : FormatRfc3339Ms(t_ms);
}

}  // namespace deckwatch::server
