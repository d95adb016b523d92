#include "alerting/webhook.h"

#include <algorithm>
#include <charconv>
#include <fstream>

#include "alerting/template.h"

namespace deckwatch::alerting {
namespace {

constexpr std::string_view kUserAgent = "Alertmanager/" DECKWATCH_VERSION;
constexpr int64_t kDefaultTimeoutMs = 60'000;
constexpr int64_t kMaxRetryAfterMs = 3'600'000;

// The URL: the configured text or the file's first line, templates in it expanded.
Result<std::string> WebhookUrl(const WebhookConfig& config, const Notification& n,
                               std::string_view external_url, int64_t now_ms) {
  std::string url = config.url.Reveal();
  if (!config.url_file.empty()) {
    std::ifstream in(config.url_file);
    if (!std::getline(in, url)) return Status::Io("cannot read " + config.url_file);
    while (!url.empty() && (url.back() == '\r' || url.back() == ' ')) url.pop_back();
  }
  if (url.find("{{") == std::string::npos) return url;
  TemplateSet set(TemplateDialect::kNotifications);
  TRY(set.Add("url", url));
  return set.Execute("url", NotificationData(n, external_url),
                     {.query = nullptr, .now_ms = now_ms, .external_url = external_url});
}

// Retry-After in seconds; its date form is ignored.
int64_t RetryAfterMs(const HttpResponse& response) {
  const std::string_view text = response.Header("Retry-After");
  int64_t seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::clamp<int64_t>(seconds, 0, kMaxRetryAfterMs / 1000) * 1000;
}

}  // namespace

SendOutcome SendWebhook(const WebhookConfig& config, const HttpTransport& transport,
                        const OutboxItem& item, std::string_view external_url, int64_t now_ms) {
  using Kind = SendOutcome::Kind;
  Result<std::string> url = WebhookUrl(config, item.notification, external_url, now_ms);
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
  request.body = WebhookBody(item.notification, external_url, config.max_alerts);
  request.timeout_ms = config.timeout_ms > 0 ? config.timeout_ms : kDefaultTimeoutMs;
  request.max_body_bytes = 1 << 20;
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
