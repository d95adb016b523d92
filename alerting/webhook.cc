#include "alerting/webhook.h"

#include <algorithm>
#include <charconv>
#include <fstream>

#include "alerting/template.h"
#include "base/json.h"

namespace deckwatch::alerting {
namespace {

constexpr std::string_view kUserAgent = "Alertmanager/" DECKWATCH_VERSION;
constexpr int64_t kDefaultTimeoutMs = 60'000;
constexpr int64_t kMaxRetryAfterMs = 3'600'000;

// What the templates of a webhook are run with.
class Expander {
 public:
  Expander(const TemplateSet& templates, const Notification& n, std::string_view external_url,
           int64_t now_ms)
      : templates_(templates),
        data_(NotificationData(n, external_url)),
        context_{.query = nullptr, .now_ms = now_ms, .external_url = external_url} {}

  Result<std::string> Expand(const std::string& text) const {
    if (text.find("{{") == std::string::npos) return text;
    TemplateSet set = templates_;
    TRY(set.Add("", text));
    return set.Execute("", data_, context_);
  }

 private:
  const TemplateSet& templates_;
  Value data_;
  TemplateContext context_;
};

// The URL: the configured text or the file's first line.
Result<std::string> WebhookUrl(const WebhookConfig& config, const Expander& expander) {
  if (config.url_file.empty()) return expander.Expand(config.url.Reveal());
  std::string url;
  std::ifstream in(config.url_file);
  if (!std::getline(in, url)) return Status::Io("cannot read " + config.url_file);
  while (!url.empty() && (url.back() == '\r' || url.back() == ' ')) url.pop_back();
  return expander.Expand(url);
}

// A payload of one's own: the configured tree with its texts expanded. A text that comes out as
// JSON (a number, a list, …) stands for that.
Result<Json> Payload(const YamlNode& node, const Expander& expander) {
  if (node.IsNull()) return Json();
  if (node.kind == YamlNode::Kind::kSequence) {
    Json::Array array;
    for (const YamlNode& item : node.items) {
      TRY_ASSIGN(Json value, Payload(item, expander));
      array.push_back(std::move(value));
    }
    return Json(std::move(array));
  }
  if (node.kind == YamlNode::Kind::kMap) {
    Json::Object object;
    for (const auto& [key, value] : node.entries) {
      TRY_ASSIGN(object[key], Payload(value, expander));
    }
    return Json(std::move(object));
  }
  TRY_ASSIGN(std::string text, expander.Expand(node.scalar));
  Result<Json> json = Json::Parse(text);
  return json.ok() ? std::move(json).value() : Json(std::move(text));
}

// Retry-After in seconds; its date form is ignored.
int64_t RetryAfterMs(const HttpResponse& response) {
  const std::string_view text = response.Header("Retry-After");
  int64_t seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::clamp<int64_t>(seconds, 0, kMaxRetryAfterMs / 1000) * 1000;
}

}  // namespace

SendOutcome SendWebhook(const WebhookConfig& config, const TemplateSet& templates,
                        const HttpTransport& transport, const OutboxItem& item,
                        std::string_view external_url, int64_t now_ms, std::stop_token stop) {
  using Kind = SendOutcome::Kind;
  const Expander expander(templates, item.notification, external_url, now_ms);
  const Result<std::string> url = WebhookUrl(config, expander);
  if (!url.ok()) {
    const bool file = url.status().code() == StatusCode::kIo;
    return {file ? Kind::kRetry : Kind::kRefused, url.status().message(), 0};
  }
  HttpRequest request;
  request.method = "POST";
  request.url = *url;
  request.content_type = "application/json";
  request.headers = {{"User-Agent", std::string(kUserAgent)},
                     {"Idempotency-Key", item.IdempotencyKey()}};
  if (config.payload == nullptr) {
    request.body = WebhookBody(item.notification, external_url, config.max_alerts);
  } else {
    const Result<Json> payload = Payload(*config.payload, expander);
    if (!payload.ok()) return {Kind::kRefused, payload.status().message(), 0};
    request.body = payload->Dump();
  }
  request.timeout_ms = config.timeout_ms > 0 ? config.timeout_ms : kDefaultTimeoutMs;
  request.max_body_bytes = 1 << 20;
  request.stop = std::move(stop);
  const Result<HttpResponse> response = transport(request);
  if (!response.ok()) {
    // Too long an answer is an answer: the receiver has read what we sent.
    const bool refused = response.status().code() == StatusCode::kInvalidArgument;
    const bool arrived = response.status().code() == StatusCode::kResourceExhausted;
    return {arrived   ? Kind::kDelivered
            : refused ? Kind::kRefused
                      : Kind::kRetry,
            response.status().message(), 0};
  }
  const int code = response->status;
  if (code / 100 == 2) return {};
  const std::string reason = "unexpected status code " + std::to_string(code);
  if (code == 429 || code / 100 == 5) return {Kind::kRetry, reason, RetryAfterMs(*response)};
  return {Kind::kRefused, reason, 0};
}

}  // namespace deckwatch::alerting
