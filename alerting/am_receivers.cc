#include "alerting/am_receivers.h"

#include <algorithm>
#include <span>

namespace deckwatch::alerting {
namespace {

// One receiver type. Texts are lists between blanks; "a|b" in `needs` means one of them. A need
// that is not met by the receiver may be met by the global key of the same place in `globals` ("-":
// by none; "*": it has a public default).
struct ReceiverType {
  std::string_view type;
  bool send_resolved;
  std::string_view keys;
  std::string_view needs;
  std::string_view globals;
  std::string_view excludes;  // "a+b": not both
};

constexpr ReceiverType kTypes[] = {
    {"webhook", true, "url url_file max_alerts timeout payload", "url|url_file", "-",
     "url+url_file"},
    {"email", false,
     "to from smarthost hello auth_username auth_password auth_password_file auth_secret "
     "auth_secret_file auth_identity headers html text require_tls tls_config force_implicit_tls "
     "threading",
     "to smarthost from", "- smtp_smarthost smtp_from",
     "auth_password+auth_password_file auth_secret+auth_secret_file"},
    {"slack", false,
     "api_url api_url_file app_token app_token_file app_url channel username color title "
     "title_link pretext text message_text fields short_fields footer fallback callback_id "
     "icon_emoji icon_url image_url thumb_url link_names mrkdwn_in actions update_message timeout",
     "api_url|api_url_file|app_token|app_token_file",
     "slack_api_url|slack_api_url_file|slack_app_token|slack_app_token_file",
     "api_url+api_url_file app_token+app_token_file api_url+app_token api_url+app_token_file "
     "api_url_file+app_token api_url_file+app_token_file"},
    {"pagerduty", true,
     "routing_key routing_key_file service_key service_key_file url client client_url description "
     "severity details class component group source images links timeout",
     "routing_key|routing_key_file|service_key|service_key_file", "-",
     "routing_key+routing_key_file service_key+service_key_file"},
    {"opsgenie", true,
     "api_key api_key_file api_url message description source details entity responders actions "
     "tags note priority update_alerts",
     "api_key|api_key_file", "opsgenie_api_key|opsgenie_api_key_file", "api_key+api_key_file"},
    {"telegram", true,
     "bot_token bot_token_file chat_id chat_id_file api_url message_thread_id message parse_mode "
     "disable_notifications",
     "bot_token|bot_token_file chat_id|chat_id_file",
     "telegram_bot_token|telegram_bot_token_file -",
     "bot_token+bot_token_file chat_id+chat_id_file"},
    {"discord", true, "webhook_url webhook_url_file content title message username avatar_url",
     "webhook_url|webhook_url_file", "-", "webhook_url+webhook_url_file"},
    {"msteams", true, "webhook_url webhook_url_file title summary text",
     "webhook_url|webhook_url_file", "-", "webhook_url+webhook_url_file"},
    {"msteamsv2", true, "webhook_url webhook_url_file title text", "webhook_url|webhook_url_file",
     "-", "webhook_url+webhook_url_file"},
    {"mattermost", true,
     "webhook_url webhook_url_file channel username text fallback color pretext author_name "
     "author_link author_icon title title_link fields footer footer_icon image_url thumb_url "
     "icon_url icon_emoji attachments type props priority",
     "webhook_url|webhook_url_file", "mattermost_webhook_url|mattermost_webhook_url_file",
     "webhook_url+webhook_url_file"},
    {"rocketchat", false,
     "api_url token token_file token_id token_id_file channel color title title_link text fields "
     "short_fields emoji icon_url image_url thumb_url link_names actions",
     "token|token_file token_id|token_id_file",
     "rocketchat_token|rocketchat_token_file rocketchat_token_id|rocketchat_token_id_file",
     "token+token_file token_id+token_id_file"},
    {"jira", true,
     "api_url api_type project issue_type summary description labels priority reopen_transition "
     "resolve_transition wont_fix_resolution reopen_duration fields",
     "api_url project issue_type", "jira_api_url - -", ""},
    {"incidentio", true,
     "url url_file alert_source_token alert_source_token_file max_alerts timeout", "url|url_file",
     "-", "url+url_file alert_source_token+alert_source_token_file"},
    {"sns", true, "api_url sigv4 topic_arn phone_number target_arn subject message attributes",
     "topic_arn|phone_number|target_arn", "-",
     "topic_arn+phone_number topic_arn+target_arn phone_number+target_arn"},
    {"pushover", true,
     "user_key user_key_file token token_file title message url url_title device sound priority "
     "retry expire ttl html monospace",
     "user_key|user_key_file token|token_file", "- -", "user_key+user_key_file token+token_file"},
    {"victorops", true,
     "api_key api_key_file api_url routing_key message_type state_message entity_display_name "
     "monitoring_tool custom_fields",
     "routing_key api_key|api_key_file", "- victorops_api_key|victorops_api_key_file",
     "api_key+api_key_file"},
    {"webex", true, "room_id api_url message", "room_id", "-", ""},
    {"wechat", false,
     "corp_id api_secret api_secret_file api_url message to_user to_party to_tag agent_id "
     "message_type",
     "corp_id api_secret|api_secret_file",
     "wechat_api_corp_id wechat_api_secret|wechat_api_secret_file", "api_secret+api_secret_file"},
};

constexpr std::string_view kGlobalKeys =
    "smtp_from smtp_smarthost smtp_hello smtp_auth_username smtp_auth_password "
    "smtp_auth_password_file smtp_auth_secret smtp_auth_secret_file smtp_auth_identity "
    "smtp_require_tls smtp_tls_config smtp_force_implicit_tls slack_api_url slack_api_url_file "
    "slack_app_token slack_app_token_file slack_app_url pagerduty_url opsgenie_api_url "
    "opsgenie_api_key opsgenie_api_key_file victorops_api_url victorops_api_key "
    "victorops_api_key_file wechat_api_url wechat_api_secret wechat_api_secret_file "
    "wechat_api_corp_id telegram_api_url telegram_bot_token telegram_bot_token_file webex_api_url "
    "jira_api_url rocketchat_api_url rocketchat_token rocketchat_token_file rocketchat_token_id "
    "rocketchat_token_id_file mattermost_webhook_url mattermost_webhook_url_file";
constexpr std::string_view kGlobalExcludes =
    "smtp_auth_password+smtp_auth_password_file smtp_auth_secret+smtp_auth_secret_file "
    "slack_api_url+slack_api_url_file slack_app_token+slack_app_token_file "
    "opsgenie_api_key+opsgenie_api_key_file victorops_api_key+victorops_api_key_file "
    "wechat_api_secret+wechat_api_secret_file telegram_bot_token+telegram_bot_token_file "
    "rocketchat_token+rocketchat_token_file rocketchat_token_id+rocketchat_token_id_file "
    "mattermost_webhook_url+mattermost_webhook_url_file";

constexpr std::string_view kSlackPostMessage = "https://slack.com/api/chat.postMessage";

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

using Given = std::set<std::string, std::less<>>;

// Keys that stand there with something in them: `x: ""` is as good as absent.
Given GivenKeys(const YamlNode& node) {
  Given given;
  for (const auto& [key, value] : node.entries) {
    const bool empty =
        value.IsNull() || (value.kind == YamlNode::Kind::kScalar && value.scalar.empty());
    if (!empty) given.insert(key);
  }
  return given;
}

Status CheckExcludes(const YamlDecoder& d, const Given& given, std::string_view excludes) {
  for (const std::string& pair : Split(excludes, ' ')) {
    const std::vector<std::string> keys = Split(pair, '+');
    if (given.contains(keys[0]) && given.contains(keys[1])) {
      return d.ErrorAt(keys[1],
                       "at most one of " + keys[0] + " & " + keys[1] + " must be configured");
    }
  }
  return Status::Ok();
}

bool AnyGiven(const Given& given, const std::string& alternatives) {
  return std::ranges::any_of(Split(alternatives, '|'),
                             [&](const std::string& key) { return given.contains(key); });
}

Status CheckNeeds(const YamlDecoder& d, const ReceiverType& type, const Given& given,
                  const AmGlobal& global) {
  const std::vector<std::string> needs = Split(type.needs, ' '), globals = Split(type.globals, ' ');
  for (size_t i = 0; i < needs.size(); ++i) {
    if (AnyGiven(given, needs[i]) || AnyGiven(global.given, globals[i])) continue;
    std::string names = needs[i];
    for (size_t p; (p = names.find('|')) != std::string::npos;) names.replace(p, 1, " or ");
    return d.Error("missing " + names +
                   (globals[i] == "-" ? "" : " (and no global default is set)"));
  }
  return Status::Ok();
}

Status CheckUrl(const YamlDecoder& d, const YamlNode& node, std::string_view key) {
  const YamlNode* n = node.Find(key);
  if (n == nullptr || n->IsNull() || n->scalar.find("{{") != std::string::npos) return Status::Ok();
  const std::string& url = n->scalar;
  const bool http = url.starts_with("http://"), https = url.starts_with("https://");
  if (!http && !https) return d.ErrorAt(key, "unsupported scheme for URL");
  const size_t host = http ? 7 : 8;
  if (url.size() == host || url[host] == '/') return d.ErrorAt(key, "missing host for URL");
  return Status::Ok();
}

// host:port, the port not empty.
Status CheckHostPort(const YamlDecoder& d, const YamlNode& node, std::string_view key) {
  const YamlNode* n = node.Find(key);
  if (n == nullptr || n->IsNull() || n->scalar.empty()) return Status::Ok();
  const size_t colon = n->scalar.rfind(':');
  if (colon == std::string::npos) return d.ErrorAt(key, "missing port in address");
  if (colon + 1 == n->scalar.size()) return d.ErrorAt(key, "port cannot be empty");
  return Status::Ok();
}

// A token goes with the API's own URL (how tokens were given before there was a key for them), not
// with a webhook's.
Status CheckSlackGlobals(const YamlDecoder& d, const YamlNode& node, const Given& given) {
  const bool token = given.contains("slack_app_token") || given.contains("slack_app_token_file");
  const YamlNode* url = node.Find("slack_api_url");
  const bool webhook = given.contains("slack_api_url_file") ||
                       (url != nullptr && !url->IsNull() && url->scalar != kSlackPostMessage);
  if (!token || !webhook) return Status::Ok();
  return d.Error("at most one of slack_app_token & slack_api_url must be configured");
}

// What single types ask for beyond the table.
Status CheckSpecial(const YamlDecoder& d, const YamlNode& node, const ReceiverType& type,
                    const Given& given, const HttpClientConfig& http) {
  if (type.type == "webex" && http.authorization_type.empty()) {
    return d.Error("missing webex_configs.http_config.authorization");
  }
  if (type.type == "slack" && given.contains("update_message") &&
      (given.contains("api_url") || given.contains("api_url_file"))) {
    return d.ErrorAt("update_message", "needs app_token, not a webhook URL");
  }
  if (type.type == "incidentio" && http.authorization_type.empty() &&
      !given.contains("alert_source_token") && !given.contains("alert_source_token_file")) {
    return d.Error("missing alert_source_token, alert_source_token_file or http authorization");
  }
  if (type.type == "email") return CheckHostPort(d, node, "smarthost");
  return Status::Ok();
}

Status ParseHttp(const YamlNode& node, const std::string& file, HttpClientConfig* out) {
  YamlDecoder d(node, file, "http_config");
  *out = HttpClientConfig();
  DecodeHttpClientConfig(&d, file, out);
  return d.Finish();
}

Status CheckTemplate(std::string_view text) {
  return TemplateSet(TemplateDialect::kNotifications).Add("", text);
}

// The first fault of the templates in a payload.
Status CheckPayload(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kScalar) return CheckTemplate(node.scalar);
  for (const YamlNode& item : node.items) TRY(CheckPayload(item));
  for (const auto& [key, value] : node.entries) TRY(CheckPayload(value));
  return Status::Ok();
}

Status ParsePayload(const YamlDecoder& d, const YamlNode& node, WebhookConfig* webhook) {
  if (node.IsNull()) return Status::Ok();
  if (Status s = CheckPayload(node); !s.ok()) return d.ErrorAt("payload", s.message());
  webhook->payload = std::make_shared<const YamlNode>(node);
  return Status::Ok();
}

Status ParseIntegration(const YamlNode& node, const std::string& file, const ReceiverType& type,
                        const AmGlobal& global, Integration* out) {
  YamlDecoder d(node, file, std::string(type.type) + "_config");
  HttpClientConfig http = global.http;
  out->type = type.type;
  out->send_resolved = type.send_resolved;
  d.Bool("send_resolved", &out->send_resolved);
  if (type.type != "email") {
    d.Child("http_config", [&](const YamlNode& n) { return ParseHttp(n, file, &http); });
  }
  if (type.type == "webhook") {
    auto webhook = std::make_shared<WebhookConfig>();
    std::string url;
    d.String("url", &url).String("url_file", &webhook->url_file);
    d.Int("max_alerts", &webhook->max_alerts).Duration("timeout", &webhook->timeout_ms);
    d.Child("payload", [&](const YamlNode& n) { return ParsePayload(d, n, webhook.get()); });
    if (Status s = CheckTemplate(url); !s.ok()) return d.ErrorAt("url", s.message());
    webhook->url = Secret(url);
    webhook->url_file = ResolvePath(file, webhook->url_file);
    webhook->http = http;
    out->webhook = std::move(webhook);
  }
  for (const std::string& key : Split(type.keys, ' ')) d.Ignore(key);
  TRY(d.Finish());
  const Given given = GivenKeys(node);
  TRY(CheckExcludes(d, given, type.excludes));
  TRY(CheckNeeds(d, type, given, global));
  TRY(CheckUrl(d, node, "api_url"));
  TRY(CheckUrl(d, node, "url"));
  TRY(CheckUrl(d, node, "webhook_url"));
  return CheckSpecial(d, node, type, given, http);
}

}  // namespace

Status ParseAmGlobal(const YamlNode& node, const std::string& file, AmGlobal* out) {
  YamlDecoder d(node, file, "global");
  d.Duration("resolve_timeout", &out->resolve_timeout_ms);
  d.Child("http_config", [&](const YamlNode& n) { return ParseHttp(n, file, &out->http); });
  for (const std::string& key : Split(kGlobalKeys, ' ')) d.Ignore(key);
  TRY(d.Finish());
  out->given = GivenKeys(node);
  for (const std::string& key : Split(kGlobalKeys, ' ')) {
    if (key.ends_with("_url")) TRY(CheckUrl(d, node, key));
  }
  TRY(CheckHostPort(d, node, "smtp_smarthost"));
  TRY(CheckSlackGlobals(d, node, out->given));
  return CheckExcludes(d, out->given, kGlobalExcludes);
}

Status ParseReceiver(const YamlNode& node, const std::string& file, const AmGlobal& global,
                     Receiver* out) {
  YamlDecoder d(node, file, "receiver");
  d.String("name", &out->name).Ignore("labels");
  for (const ReceiverType& type : kTypes) {
    int index = 0;
    d.Each(std::string(type.type) + "_configs", [&](const YamlNode& n) {
      out->integrations.emplace_back();
      out->integrations.back().index = index++;
      return ParseIntegration(n, file, type, global, &out->integrations.back());
    });
  }
  TRY(d.Finish());
  return out->name.empty() ? d.Error("missing name in receiver") : Status::Ok();
}

}  // namespace deckwatch::alerting
