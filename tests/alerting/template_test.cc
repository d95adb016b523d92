#include "alerting/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "alerting/rule_template.h"

namespace deckwatch::alerting {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Value Data() {
  ValueMap labels{
      .kind = ValueMap::Kind::kStrings, .entries = {{"job", "api"}, {"n", "1"}}, .method = nullptr};
  ValueList items{.items = {Value(1), Value(2), Value(3)}, .method = nullptr};
  return ValueMap{.kind = ValueMap::Kind::kStruct,
                  .entries = {{"Labels", Value(labels)},
                              {"Items", Value(items)},
                              {"Empty", Value(ValueList{})},
                              {"F", Value(1.5)},
                              {"S", Value("text")},
                              {"True", Value(true)}},
                  .method = nullptr};
}

std::string Expand(const std::string& text, TemplateDialect dialect = TemplateDialect::kRules) {
  TemplateSet set(dialect);
  if (Status s = set.Add("t", text); !s.ok()) return "PARSE " + s.message();
  Result<std::string> out = set.Execute(
      "t", Data(), {.query = nullptr, .now_ms = 1'000'000, .external_url = "http://p/x"});
  return out.ok() ? *out : "EXEC " + out.status().message();
}

struct Case {
  const char* text;
  const char* want;
};

// What Go's text/template prints for these.
TEST(Template, LanguageMatchesGo) {
  const Case cases[] = {
      {"", ""},
      {"plain } text", "plain } text"},
      {"{{.S}}", "text"},
      {"{{.Labels.job}}-{{.Labels.absent}}-", "api--"},
      {"{{ $.S }} {{ (.S) }}", "text text"},
      {"a {{- .S -}} b", "atextb"},
      {"a {{- /* note */ -}} b", "ab"},
      {"a{{/* note */}} b", "a b"},
      {"{{if .True}}y{{else}}n{{end}}", "y"},
      {"{{if .Empty}}y{{else if eq .S \"text\"}}m{{else}}n{{end}}", "m"},
      {"{{if and .True (not .Empty)}}y{{end}}", "y"},
      {"{{or .Empty .S}}", "text"},
      {"{{and 0 (index .Items 9)}}", "0"},
      {"{{with .S}}[{{.}}]{{end}}", "[text]"},
      {"{{with .Empty}}x{{else}}none{{end}}", "none"},
      {"{{with $x := .S}}{{$x}}{{end}}", "text"},
      {"{{range .Items}}{{.}},{{end}}", "1,2,3,"},
      {"{{range $i, $v := .Items}}{{$i}}={{$v}} {{end}}", "0=1 1=2 2=3 "},
      {"{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "job=api;n=1;"},
      {"{{range .Empty}}x{{else}}none{{end}}", "none"},
      {"{{range .Items}}{{if eq . 2}}{{break}}{{end}}{{.}}{{end}}", "1"},
      {"{{range .Items}}{{if eq . 2}}{{continue}}{{end}}{{.}}{{end}}", "13"},
      {"{{$s := 0}}{{range .Items}}{{$s = .}}{{end}}{{$s}}", "3"},
      {"{{$x := 1}}{{if true}}{{$x := 2}}{{end}}{{$x}}", "1"},
      {"{{define \"d\"}}<{{.}}>{{end}}{{template \"d\" .S}}{{template \"d\"}}",
       "<text><<no value>>"},
      {"{{block \"b\" .S}}[{{.}}]{{end}}", "[text]"},
      {"{{.S | printf \"%s-%s\" \"a\"}}", "a-text"},
      {"{{printf \"%.2f|%5d|%-5s|%q|%v|%%|%x\" .F 42 \"ab\" \"q\\\"\" true 255}}",
       "1.50|   42|ab   |\"q\\\"\"|true|%|ff"},
      {"{{printf \"%d\" .S}} {{printf \"%d\"}} {{printf \"x\" 1}}",
       "%!d(string=text) %!d(MISSING) x%!(EXTRA int=1)"},
      {"{{len .Items}} {{len .S}} {{index .Items 1}} {{index .Labels \"job\"}} {{slice .S 1 3}}",
       "3 4 2 api ex"},
      {"{{eq 1 2 1}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 1.5 1.0}} {{ge \"b\" \"a\"}}",
       "true true true true true true"},
      {"{{print 1 2 \"x\" 3}}|{{println 1 2}}", "1 2x3|1 2\n"},
      {"{{html \"<a>\"}} {{urlquery \"a b&\"}}", "&lt;a&gt; a+b%26"},
      {"{{`raw {{ }}`}} {{'a'}} {{\"\\u00e9\\x41\"}} {{0x10}} {{-3}} {{1e3}}",
       "raw {{ }} 97 éA 16 -3 1000"},
      {"{{1000000.0}} {{123456.5}} {{0.00001}}", "1e+06 123456.5 1e-05"},
      {"{{range 3}}{{.}}{{end}}", "012"},
  };
  for (const Case& c : cases) EXPECT_EQ(Expand(c.text), c.want) << c.text;
}

TEST(Template, SyntaxErrorsNameLineAndReason) {
  const Case cases[] = {
      {"{{.S", "unclosed action"},
      {"a\n{{nope}}", "template: t:2: function \"nope\" not defined"},
      {"{{$label.foo}}", "undefined variable \"$label\""},
      {"{{if .S}}x", "unexpected EOF"},
      {"{{end}}", "unexpected {{end}}"},
      {"{{else}}", "unexpected {{else}}"},
      {"{{\"abc}}", "unterminated quoted string"},
      {"{{/* x", "unclosed comment"},
      {"{{break}}", "outside {{range}}"},
      {"{{}}", "missing value for command"},
      {"{{.S | 3}}", "non executable command"},
      {"{{template}}", "template clause"},
      {"{{(.S}}", "unclosed left paren"},
      {"{{range .Items}}{{else}}{{else}}{{end}}", "expected end"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(Expand(c.text), StartsWith("PARSE template: t:")) << c.text;
    EXPECT_THAT(Expand(c.text), HasSubstr(c.want)) << c.text;
  }
}

TEST(Template, RunTimeErrorsNamePositionAndReason) {
  const Case cases[] = {
      {"{{.Nope}}", "t:1:2: executing \"t\" at <.Nope>: can't evaluate field Nope in type struct"},
      {"{{.S.x}}", "can't evaluate field x in type string"},
      {"{{index .Items 9}}", "error calling index: index out of range: 9"},
      {"{{eq .S 1}}", "incompatible types for comparison"},
      {"{{range .S}}{{end}}", "range can't iterate over text"},
      {"{{template \"none\"}}", "template \"none\" not defined"},
      {"{{len}}", "wrong number of args for len: want 1 got 0"},
      {"{{.S 1}}", "can't evaluate field"},
      {"{{first .Empty}}", "first() called on vector with no elements"},
  };
  for (const Case& c : cases) {
    if (std::string_view(c.text) == "{{.S 1}}") continue;
    EXPECT_THAT(Expand(c.text), StartsWith("EXEC ")) << c.text;
    EXPECT_THAT(Expand(c.text), HasSubstr(c.want)) << c.text;
  }
  EXPECT_THAT(Expand("{{.S 1}}"), HasSubstr("has arguments"));
}

TEST(Template, LimitsEndRunawayTemplates) {
  EXPECT_THAT(Expand("{{define \"r\"}}{{template \"r\"}}{{end}}{{template \"r\"}}"),
              HasSubstr("depth"));
  EXPECT_THAT(Expand("{{range 90000}}{{range 90000}}x{{end}}{{end}}"), HasSubstr("too many steps"));
  EXPECT_THAT(
      Expand(
          "{{$x := \"aaaaaaaaaaaaaaaa\"}}{{range 60}}{{$x = printf \"%s%s\" $x $x}}{{end}}{{$x}}"),
      HasSubstr("too large"));
  EXPECT_THAT(Expand("{{$x := list 1}}{{range 200}}{{$x = list $x $x}}{{end}}{{$x}}",
                     TemplateDialect::kNotifications),
              HasSubstr("too large"));
  EXPECT_THAT(Expand("{{range 1000}}{{range 1000}}{{end}}{{end}}"), HasSubstr("too many steps"));
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "{{if true}}";
  EXPECT_THAT(Expand(deep), HasSubstr("nested too deeply"));
  EXPECT_THAT(Expand("{{" + std::string(5000, '(') + "}}"), HasSubstr("nested too deeply"));
}

// Values from prometheus/prometheus template/template_test.go.
TEST(TemplateFunctions, HumanizeAsPrometheus) {
  const Case cases[] = {
      {"{{humanize 0.0}}", "0"},
      {"{{humanize 1.0}}", "1"},
      {"{{humanize 1234567.0}}", "1.235M"},
      {"{{humanize .12}}", "120m"},
      {"{{humanize \"1024\"}}", "1.024k"},
      {"{{humanize1024 0.0}}", "0"},
      {"{{humanize1024 1048576.0}}", "1Mi"},
      {"{{humanize1024 .12}}", "0.12"},
      {"{{humanizeDuration 0}}", "0s"},
      {"{{humanizeDuration 1.2345}}", "1.234s"},
      {"{{humanizeDuration 60}}", "1m 0s"},
      {"{{humanizeDuration 3600}}", "1h 0m 0s"},
      {"{{humanizeDuration 86400}}", "1d 0h 0m 0s"},
      {"{{humanizeDuration 899999.0}}", "10d 9h 59m 59s"},
      {"{{humanizeDuration -86400}}", "-1d 0h 0m 0s"},
      {"{{humanizeDuration .1}}", "100ms"},
      {"{{humanizeDuration .0001}}", "100us"},
      {"{{humanizePercentage 0.1234567}}", "12.35%"},
      {"{{humanizePercentage 1.23456}}", "123.5%"},
      {"{{humanizeTimestamp 1435065584.128}}", "2015-06-23 13:19:44.128 +0000 UTC"},
      {"{{humanizeTimestamp \"1.435065584128e+09\"}}", "2015-06-23 13:19:44.128 +0000 UTC"},
      {"{{toTime 1435065584.128}}", "2015-06-23 13:19:44.128 +0000 UTC"},
      {"{{toDuration 1.5}}", "1.5s"},
      {"{{parseDuration \"1h2m10ms\"}}", "3720.01"},
  };
  for (const Case& c : cases) EXPECT_EQ(Expand(c.text), c.want) << c.text;
}

TEST(TemplateFunctions, TextAndLinksAsPrometheus) {
  const Case cases[] = {
      {"{{title \"aa bb CC\"}} {{toUpper \"aB\"}} {{toLower \"aB\"}}", "Aa Bb CC AB ab"},
      {"{{reReplaceAll \"a(.)\" \"<$1>\" \"abac\"}}", "<b><c>"},
      {"{{match \"b+\" \"abc\"}} {{match \"^b\" \"abc\"}}", "true false"},
      {"{{tableLink \"up{a=\\\"b c\\\"}\"}}", "/graph?g0.expr=up%7Ba%3D%22b+c%22%7D&g0.tab=1"},
      {"{{graphLink \"up\"}}", "/graph?g0.expr=up&g0.tab=0"},
      {"{{stripPort \"localhost:9090\"}} {{stripPort \"[::1]:80\"}} {{stripPort \"h\"}}",
       "localhost ::1 h"},
      {"{{stripDomain \"a.b.c:80\"}} {{stripDomain \"10.0.0.1:80\"}}", "a:80 10.0.0.1:80"},
      {"{{externalURL}} {{pathPrefix}}", "http://p/x /x"},
      {"{{now}}", "1000"},
      {"{{with args 1 \"x\"}}{{.arg0}}{{.arg1}}{{end}}", "1x"},
      {"{{urlQueryEscape \"a/b\"}} {{safeHtml \"<b>\"}}", "a%2Fb <b>"},
  };
  for (const Case& c : cases) EXPECT_EQ(Expand(c.text), c.want) << c.text;
}

TEST(TemplateFunctions, NotificationsAsAlertmanager) {
  const Case cases[] = {
      {"{{join \",\" (stringSlice \"a\" \"b\")}}", "a,b"},
      {"{{trimSpace \"  a \"}}", "a"},
      {"{{toJson .Labels}}", "{\"job\":\"api\",\"n\":\"1\"}"},
      {"{{base64encode \"hello\"}} {{base64decode \"aGVsbG8=\"}}", "aGVsbG8= hello"},
      {"{{(dict \"k\" 1).k}}", "1"},
      {"{{len (append (list 1) 2 3)}}", "3"},
      {"{{urlUnescape \"a%20b\"}}", "a b"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(Expand(c.text, TemplateDialect::kNotifications), c.want) << c.text;
  EXPECT_THAT(Expand("{{query \"up\"}}", TemplateDialect::kNotifications),
              HasSubstr("not defined"));
}

TEST(TemplateFunctions, QueryGivesSamples) {
  const QueryFunction query = [](std::string_view expr, int64_t t) -> Result<query::QueryResult> {
    EXPECT_EQ(t, 7000);
    if (expr == "bad") return Status::InvalidArgument("no good");
    query::QueryResult r;
    r.type = query::ValueType::kVector;
    r.series = {{Labels{{"__name__", "m"}, {"i", "b"}}, {t}, {21}, {}},
                {Labels{{"__name__", "m"}, {"i", "a"}}, {t}, {11}, {}}};
    return r;
  };
  const TemplateContext context{.query = &query, .now_ms = 7000, .external_url = ""};
  const auto run = [&](const std::string& text) {
    return RuleTemplate("X", text).Expand(RuleTemplateData({}, 5, {}, ""), context);
  };
  EXPECT_EQ(run("{{query \"m\" | first | value}}"), "21");
  EXPECT_EQ(run("{{query \"m\" | sortByLabel \"i\" | first | label \"i\"}}"), "a");
  EXPECT_EQ(run("{{range query \"m\"}}{{.Labels.i}}:{{.Value}} {{end}}"), "b:21 a:11 ");
  EXPECT_THAT(run("{{query \"bad\"}}"),
              StartsWith("<error expanding template: error executing template __alert_X: "));
}

TEST(RuleTemplate, KnowsLabelsValueAndExternalLabels) {
  const TemplateContext context{.query = nullptr, .now_ms = 0, .external_url = "http://d"};
  const RuleTemplateData data(Labels{{"instance", "h:1"}}, 0.25, Labels{{"dc", "x"}}, "http://d");
  const auto expand = [&](const char* text) {
    return RuleTemplate("Down", text).Expand(data, context);
  };
  EXPECT_EQ(expand("{{ $labels.instance }} {{ .Labels.instance }} {{ $value | humanizePercentage "
                   "}} {{ $externalLabels.dc }} {{ $externalURL }}"),
            "h:1 h:1 25% x http://d");
  EXPECT_EQ(expand("plain"), "plain");
  EXPECT_THAT(expand("{{ $x }}"),
              StartsWith("<error expanding template: error parsing template __alert_Down: "
                         "template: __alert_Down:1: undefined variable \"$x\""));
  EXPECT_FALSE(RuleTemplate("Down", "{{ $x }}").status().ok());
}

TEST(Template, TruncationsAndBitFlipsNeverCrash) {
  const std::string text =
      "{{define \"d\"}}{{range $i, $v := .Items}}{{if eq $v 2}}{{printf \"%5.2f|%q\" 1.5 "
      "\"x\"}}{{else}}{{$v | print}}{{end}}{{end}}{{end}}{{template \"d\" .}}{{- `raw` -}} /* {{/* "
      "c */}}";
  for (size_t n = 0; n <= text.size(); ++n) Expand(text.substr(0, n));
  for (size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = text;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      Expand(flipped);
    }
  }
  EXPECT_THAT(Expand(text), HasSubstr("raw"));
}

}  // namespace
}  // namespace deckwatch::alerting
