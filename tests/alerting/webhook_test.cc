#include "alerting/webhook.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deckwatch::alerting {
namespace {

using ::testing::HasSubstr;
using Kind = SendOutcome::Kind;

SendOutcome Send(const WebhookConfig& config, const HttpTransport& transport) {
  OutboxItem item;
  item.lane = "lane";
  item.change = 7;
  return SendWebhook(config, TemplateSet(TemplateDialect::kNotifications), transport, item,
                     "http://d", 0, {});
}

HttpTransport Answer(int status, std::string retry_after = "") {
  return [=](const HttpRequest&) -> Result<HttpResponse> {
    HttpResponse response;
    response.status = status;
    if (!retry_after.empty()) response.headers = {{"Retry-After", retry_after}};
    return response;
  };
}

TEST(Webhook, JudgesAnswersAsAlertmanagerDoesAndRetries429) {
  WebhookConfig config;
  config.url = Secret("http://r/");
  for (int status : {200, 201, 204, 299}) {
    EXPECT_EQ(Send(config, Answer(status)).kind, Kind::kDelivered) << status;
  }
  for (int status : {429, 500, 502, 503, 599}) {
    EXPECT_EQ(Send(config, Answer(status)).kind, Kind::kRetry) << status;
  }
  for (int status : {100, 301, 400, 401, 404, 410}) {
    EXPECT_EQ(Send(config, Answer(status)).kind, Kind::kRefused) << status;
  }
  EXPECT_EQ(Send(config, Answer(429, "30")).retry_after_ms, 30'000);
  EXPECT_EQ(Send(config, Answer(503, "999999999")).retry_after_ms, 3'600'000);
  EXPECT_EQ(Send(config, Answer(503, "Fri, 20 Nov 2026 10:00:00 GMT")).retry_after_ms, 0);
}

TEST(Webhook, FailuresOfTheNetworkAreRetried) {
  WebhookConfig config;
  config.url = Secret("http://r/");
  const auto fail = [](Status status) -> HttpTransport {
    return [status](const HttpRequest&) -> Result<HttpResponse> { return status; };
  };
  EXPECT_EQ(Send(config, fail(Status::Unavailable("refused"))).kind, Kind::kRetry);
  EXPECT_EQ(Send(config, fail(Status::DeadlineExceeded("slow"))).kind, Kind::kRetry);
  EXPECT_EQ(Send(config, fail(Status::Cancelled("stop"))).kind, Kind::kRetry);
  EXPECT_EQ(Send(config, fail(Status::InvalidArgument("not a URL"))).kind, Kind::kRefused);
}

TEST(Webhook, UrlComesFromAFileThatIsReadAtEachSend) {
  const std::filesystem::path file =
      std::filesystem::path(::testing::TempDir()) / "webhook_test_url";
  std::filesystem::remove(file);
  WebhookConfig config;
  config.url_file = file;
  std::string url;
  const HttpTransport transport = [&](const HttpRequest& request) -> Result<HttpResponse> {
    url = request.url;
    EXPECT_EQ(request.timeout_ms, 1500);
    return HttpResponse{.status = 200, .headers = {}, .body = ""};
  };
  config.timeout_ms = 1500;
  const SendOutcome missing = Send(config, transport);
  EXPECT_EQ(missing.kind, Kind::kRetry);
  EXPECT_THAT(missing.reason, HasSubstr("webhook_test_url"));
  std::ofstream(file) << "http://from-file/x\r\n";
  EXPECT_EQ(Send(config, transport).kind, Kind::kDelivered);
  EXPECT_EQ(url, "http://from-file/x");
  std::filesystem::remove(file);
}

TEST(Webhook, TemplateFaultInTheUrlIsFinalAndSaysWhy) {
  WebhookConfig config;
  config.url = Secret("http://r/{{ .Nope }}");
  const SendOutcome outcome = Send(config, Answer(200));
  EXPECT_EQ(outcome.kind, Kind::kRefused);
  EXPECT_THAT(outcome.reason, HasSubstr("can't evaluate field Nope"));
}

}  // namespace
}  // namespace deckwatch::alerting
