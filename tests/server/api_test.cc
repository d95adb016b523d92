// The API over a real store and engine: JSON, error types and codes as Prometheus gives them.
#include "server/api.h"

#include <cmath>
#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/executor.h"
#include "base/http_client.h"
#include "base/yaml.h"
#include "query/functions.h"
#include "server/metric_family.h"
#include "server/remote_write.h"
#include "server/text_page.h"
#include "tests/server/write_request_builder.h"

namespace deckwatch::server {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kNow = 1'700'000'000'000;

class ApiTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "api_test_" +
           testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(dir_);
    tsdb::DbOptions options;
    options.path = dir_;
    options.clock = &clock_;
    options.background = false;
    auto db = tsdb::Db::Open(options);
    ASSERT_TRUE(db.ok()) << db.status().message();
    db_ = std::move(db).value();
    writer_ = std::make_unique<RemoteWriter>(db_.get(), 1 << 20);
    context_.clock = &clock_;
    context_.db = db_.get();
    context_.engine = &engine_;
    context_.remote_writer = writer_.get();
    context_.enable_remote_write = true;
    context_.start_wall_ms = kNow;
    context_.storage_retention = "15d";
    context_.flags = {{"config.file", "p.yml"}};
    context_.config_yaml = [] { return "global: {}\n"; };
    context_.external_labels = [] { return Labels{{"site", "x"}}; };
    context_.last_reload = [] { return std::pair(true, kNow); };
    context_.reload_failed_ms = [this] { return reload_failed_ms_; };
    context_.ready = true;
    server_ = std::move(HttpServer::Create({})).value();
    Api(server_.get(), &context_).RegisterAll();
    server_->Start();
    url_ = "http://127.0.0.1:" + std::to_string(server_->ports()[0]);
    Fill();
  }
  void TearDown() override {
    server_.reset();
    writer_.reset();
    db_.reset();
    std::filesystem::remove_all(dir_);
  }

  // Three series, five samples 15 s apart, the last one now.
  void Fill() {
    WriteRequestBuilder b;
    const std::vector<std::pair<std::string, double>> series = {{"a", 1}, {"b", 2}, {"c", 0.5}};
    for (const auto& [instance, factor] : series) {
      std::vector<std::pair<double, int64_t>> samples;
      for (int i = 0; i < 5; ++i) samples.emplace_back(i * factor, kNow - (4 - i) * 15'000);
      b.Series({{"__name__", "m"}, {"instance", instance}, {"job", "j"}}, samples);
    }
    b.Metadata("m", 2, "Help of m.");
    const HttpResponse r = Post("/api/v1/write", b.Compressed(), "application/x-protobuf");
    ASSERT_EQ(r.status, 204) << r.body;
  }

  HttpResponse Do(const HttpRequest& request) {
    auto r = client_.Do(request);
    EXPECT_TRUE(r.ok()) << r.status().message();
    return r.ok() ? *r : HttpResponse{};
  }
  HttpResponse Get(const std::string& target) {
    HttpRequest request;
    request.url = url_ + target;
    return Do(request);
  }
  HttpResponse Post(const std::string& target, const std::string& body, const std::string& type) {
    HttpRequest request;
    request.method = "POST";
    request.url = url_ + target;
    request.body = body;
    request.content_type = type;
    if (type == "application/x-protobuf") request.headers = {{"Content-Encoding", "snappy"}};
    return Do(request);
  }
  // The body of a 200 answer without the envelope.
  std::string Data(const std::string& target) {
    const HttpResponse r = Get(target);
    EXPECT_EQ(r.status, 200) << r.body;
    constexpr std::string_view kHead = R"({"status":"success","data":)";
    EXPECT_EQ(r.body.substr(0, kHead.size()), kHead);
    return r.body.substr(kHead.size(), r.body.size() - kHead.size() - 1);
  }
  // "<code> <error type>: <text>"
  std::string Error(const std::string& target) {
    const HttpResponse r = Get(target);
    const auto json = Json::Parse(r.body);
    if (!json.ok() || (*json)["status"].AsString() != "error") return "no error: " + r.body;
    return std::to_string(r.status) + " " + (*json)["errorType"].AsString() + ": " +
           (*json)["error"].AsString();
  }

  FakeClock clock_{kNow};
  static query::EngineOptions Options() {
    query::EngineOptions options;
    options.cache_bytes = 1 << 20;
    return options;
  }
  int64_t reload_failed_ms_ = 0;
  query::Engine engine_{Options(), nullptr};
  std::string dir_;
  std::unique_ptr<tsdb::Db> db_;
  std::unique_ptr<RemoteWriter> writer_;
  ApiContext context_;
  std::unique_ptr<HttpServer> server_;
  HttpClient client_{HttpClientConfig{}};
  std::string url_;
};

TEST_F(ApiTest, AnswersInstantQueries) {
  EXPECT_EQ(
      Data("/api/v1/query?query=m%7Binstance%3D%22b%22%7D"),
      R"({"resultType":"vector","result":[{"metric":{"__name__":"m","instance":"b","job":"j"},)"
      R"("value":[1700000000,"8"]}]})");
  EXPECT_EQ(Data("/api/v1/query?query=1.5&time=12.25"),
            R"({"resultType":"scalar","result":[12.250,"1.5"]})");
  EXPECT_EQ(Data("/api/v1/query?query=%22text%22&time=2023-11-14T22:13:20Z"),
            R"({"resultType":"string","result":[1700000000,"text"]})");
  EXPECT_EQ(
      Data("/api/v1/query?query=m%7Binstance%3D%22c%22%7D%5B20s%5D"),
      R"({"resultType":"matrix","result":[{"metric":{"__name__":"m","instance":"c","job":"j"},)"
      R"("values":[[1699999985,"1.5"],[1700000000,"2"]]}]})");
  EXPECT_EQ(Data("/api/v1/query?query=1%2F0"),
            R"({"resultType":"scalar","result":[1700000000,"+Inf"]})");
}

TEST_F(ApiTest, AnswersRangeQueriesByGetAndByPost) {
  const std::string expected =
      R"({"resultType":"matrix","result":[{"metric":{},"values":[[1699999970,"7"],[1699999985,"10.5"],)"
      R"([1700000000,"14"]]}]})";
  const std::string query = "query=sum(m)&start=1699999970&end=1700000000&step=15s";
  EXPECT_EQ(Data("/api/v1/query_range?" + query), expected);
  const HttpResponse r = Post("/api/v1/query_range", query, "application/x-www-form-urlencoded");
  EXPECT_THAT(r.body, HasSubstr(expected));
  EXPECT_EQ(r.Header("Content-Type"), "application/json");
}

TEST_F(ApiTest, GivesStatsWhenAsked) {
  const std::string some = Data("/api/v1/query?query=m&stats=1&time=1700000000");
  EXPECT_THAT(some, HasSubstr(R"("samples":{"totalQueryableSamples":3,"samplesRead":3,)"));
  const std::string all = Data("/api/v1/query?query=m&stats=all&time=1700000000.5");
  EXPECT_THAT(all, HasSubstr(R"("totalQueryableSamplesPerStep":[[1700000000.5,3]],)"));
  EXPECT_THAT(Data("/api/v1/query?query=m"), Not(HasSubstr("stats")));
}

TEST_F(ApiTest, ATraceTellsWhatEachNodeTook) {
  const auto data = Json::Parse(Data("/api/v1/query?query=sum(m)&trace=1"));
  ASSERT_TRUE(data.ok());
  const Json::Array& nodes = (*data)["trace"].AsArray();
  ASSERT_FALSE(nodes.empty());
  EXPECT_EQ(nodes.back()["expr"].AsString(), "sum(m)");
  EXPECT_EQ(nodes.back()["series"].AsInt(), 1);
  for (const char* key : {"depth", "samples", "bytes", "seconds"}) {
    EXPECT_TRUE(nodes.back()[key].IsNumber()) << key;
  }
  EXPECT_THAT(Data("/api/v1/query?query=sum(m)"), Not(HasSubstr("trace")));
}

// A refresh evaluates what is new, and shows what came in late.
TEST_F(ApiTest, AnswersAreKept) {
  const auto ask = [this](int64_t end_s, const std::string& more) {
    const std::string from = std::to_string(end_s - 60), to = std::to_string(end_s);
    return Data("/api/v1/query_range?query=sum(m)&step=15&stats=all&start=" + from + "&end=" + to +
                more);
  };
  constexpr int64_t kNowS = kNow / 1000;
  EXPECT_THAT(ask(kNowS, ""), HasSubstr(R"("steps":5,"stepsCached":0)"));
  EXPECT_THAT(ask(kNowS, ""), HasSubstr(R"("steps":5,"stepsCached":5)"));
  EXPECT_THAT(ask(kNowS + 15, ""), HasSubstr(R"("steps":5,"stepsCached":4)"));
  EXPECT_THAT(ask(kNowS + 15, "&nocache=1"), HasSubstr(R"("steps":5,"stepsCached":0)"));
  WriteRequestBuilder b;
  b.Series({{"__name__", "m"}, {"instance", "late"}, {"job", "j"}}, {{1000, kNow - 20'000}});
  ASSERT_EQ(Post("/api/v1/write", b.Compressed(), "application/x-protobuf").status, 204);
  const std::string after = ask(kNowS + 15, "");
  EXPECT_THAT(after, HasSubstr(R"("steps":5,"stepsCached":2)"));
  const std::string fresh = ask(kNowS + 15, "&nocache=1");
  EXPECT_EQ(after.substr(0, after.find("\"stats\"")), fresh.substr(0, fresh.find("\"stats\"")));
  EXPECT_THAT(fresh, HasSubstr("10"));
}

TEST_F(ApiTest, RunningQueriesAreListedAndCancelled) {
  context_.enable_admin = true;
  // Many parts of some milliseconds each.
  std::string query = "query=vector(0)";
  for (int i = 0; i < 60; ++i) {
    query += "%2Bquantile_over_time(0.5,vector(1)[10m" + std::to_string(i) + "s:10ms])";
  }
  query += "&start=1699990000&end=1700000000&step=10s&timeout=100s";
  HttpResponse answer;
  {
    const std::jthread asking = StartThread("asking", [&](const std::stop_token&) {
      answer = Post("/api/v1/query_range", query, "application/x-www-form-urlencoded");
    });
    int64_t id = 0;
    for (int tries = 0; tries < 10'000 && id == 0; ++tries) {
      const auto running = Json::Parse(Data("/api/v1/status/active_queries"));
      ASSERT_TRUE(running.ok());
      if (running->AsArray().empty()) continue;
      id = running->AsArray()[0]["id"].AsInt();
      EXPECT_THAT(running->AsArray()[0]["query"].AsString(), HasSubstr("quantile_over_time"));
    }
    ASSERT_NE(id, 0);
    const std::string cancel = "/api/v1/admin/cancel_query?id=";
    EXPECT_EQ(Post(cancel + std::to_string(id), "", "").status, 204);
    EXPECT_EQ(Post(cancel + "x", "", "").status, 400);
    EXPECT_EQ(Post(cancel + "123456", "", "").status, 404);
  }
  EXPECT_EQ(answer.status, 499);
  EXPECT_THAT(answer.body, HasSubstr("query was canceled in expression evaluation"));
  EXPECT_EQ(Data("/api/v1/status/active_queries"), "[]");
}

TEST_F(ApiTest, NamesErrorsAsPrometheusDoes) {
  EXPECT_EQ(Error("/api/v1/query?query=sum("),
            "400 bad_data: invalid parameter \"query\": 1:5: parse error: unclosed left "
            "parenthesis");
  EXPECT_EQ(Error("/api/v1/query?query=m&time=later"),
            "400 bad_data: invalid parameter \"time\": invalid time value for 'time': cannot parse "
            "\"later\" to a valid timestamp");
  EXPECT_EQ(Error("/api/v1/query_range?query=m&end=1&step=1"),
            "400 bad_data: invalid parameter \"start\": cannot parse \"\" to a valid timestamp");
  EXPECT_EQ(Error("/api/v1/query_range?query=m&start=2&end=1&step=1"),
            "400 bad_data: invalid parameter \"end\": end timestamp must not be before start time");
  EXPECT_EQ(Error("/api/v1/query_range?query=m&start=1&end=2&step=0"),
            "400 bad_data: invalid parameter \"step\": zero or negative query resolution step "
            "widths are not accepted. Try a positive integer");
  EXPECT_EQ(Error("/api/v1/query_range?query=m&start=0&end=11001&step=1"),
            "400 bad_data: exceeded maximum resolution of 11,000 points per timeseries. Try "
            "decreasing the query resolution (?step=XX)");
  EXPECT_EQ(Error("/api/v1/query?query=m&timeout=x"),
            "400 bad_data: invalid parameter \"timeout\": cannot parse \"x\" to a valid duration");
  EXPECT_EQ(Error("/api/v1/query?query=m&limit=-1"),
            "400 bad_data: invalid parameter \"limit\": limit must be non-negative");
  for (const auto& [limit, why] : {std::pair("1e3", "invalid syntax"),
                                   {"0x1", "invalid syntax"},
                                   {"1.0", "invalid syntax"},
                                   {"%2B-1", "invalid syntax"},
                                   {"99999999999999999999", "value out of range"}}) {
    EXPECT_THAT(Error(std::string("/api/v1/labels?limit=") + limit), HasSubstr(why)) << limit;
  }
  EXPECT_EQ(Error("/api/v1/query?query=m&lookback_delta=1x"),
            "400 bad_data: error parsing lookback delta duration: cannot parse \"1x\" to a valid "
            "duration");
  EXPECT_EQ(Error("/api/v1/metadata?limit=1x"), "400 bad_data: limit must be a number");
  EXPECT_EQ(Error("/api/v1/metadata?limit_per_metric=x"),
            "400 bad_data: limit_per_metric must be a number");
  EXPECT_EQ(Error("/api/v1/targets/metadata?limit=x"), "400 bad_data: limit must be a number");
  EXPECT_EQ(Error("/api/v1/status/tsdb?limit=0"), "400 bad_data: limit must be a positive number");
  EXPECT_EQ(Error("/api/v1/query?query=m%2Bon(job)m").substr(0, 13), "422 execution");
  EXPECT_EQ(Error("/api/v1/series"), "400 bad_data: no match[] parameter provided");
  EXPECT_EQ(
      Error("/api/v1/series?match[]=m%7B"),
      "400 bad_data: invalid parameter \"match[]\": 1:3: parse error: unexpected end of input "
      "inside braces");
  for (const char* path : {"labels", "label/job/values", "rules"}) {
    EXPECT_EQ(Error("/api/v1/" + std::string(path) + "?match[]=m%7B"),
              "400 bad_data: 1:3: parse error: unexpected end of input inside braces");
  }
  EXPECT_EQ(Error("/api/v1/rules?type=x"),
            "400 bad_data: invalid parameter \"type\": not supported value \"x\"");
  EXPECT_EQ(Error("/api/v1/rules?exclude_alerts=x"),
            "400 bad_data: invalid parameter \"exclude_alerts\": error converting exclude_alerts: "
            "strconv.ParseBool: parsing \"x\": invalid syntax");
  EXPECT_EQ(Data("/api/v1/rules?exclude_alerts=T"), R"({"groups":[]})");
  EXPECT_EQ(Error("/api/v1/rules?group_limit=x"),
            "400 bad_data: invalid parameter \"group_limit\": group_limit needs to be a valid "
            "number: strconv.ParseInt: parsing \"x\": invalid syntax");
  EXPECT_EQ(Error("/api/v1/rules?group_limit=0"),
            "400 bad_data: invalid parameter \"group_limit\": group_limit needs to be greater than "
            "0");
  EXPECT_EQ(Error("/api/v1/rules?group_next_token=x"),
            "400 bad_data: invalid parameter \"group_next_token\": group_limit needs to be present "
            "in order to paginate over the groups");
  EXPECT_EQ(Error("/api/v1/rules?group_limit=1&group_next_token=x"),
            "400 bad_data: invalid parameter \"group_next_token\": invalid group_next_token 'x'. "
            "were rule groups changed?");
}

TEST_F(ApiTest, CutsToTheLimitWithAWarning) {
  const HttpResponse r = Get("/api/v1/query?query=m&limit=2");
  const Json json = *Json::Parse(r.body);
  EXPECT_EQ(json["data"]["result"].AsArray().size(), 2u);
  EXPECT_EQ(json["warnings"].AsArray()[0].AsString(), "results truncated due to limit");
  EXPECT_THAT(Get("/api/v1/label/instance/values?limit=1").body,
              HasSubstr(R"("data":["a"],"warnings")"));
}

TEST_F(ApiTest, ListsSeriesLabelsAndMetadata) {
  EXPECT_EQ(Data("/api/v1/series?match[]=m%7Binstance%3D%22a%22%7D&match[]=nothing"),
            R"([{"__name__":"m","instance":"a","job":"j"}])");
  EXPECT_EQ(Data("/api/v1/labels"), R"(["__name__","instance","job"])");
  EXPECT_EQ(Data("/api/v1/labels?match[]=nothing"), "[]");
  EXPECT_EQ(Data("/api/v1/label/instance/values?match[]=m"), R"(["a","b","c"])");
  EXPECT_EQ(Data("/api/v1/label/U__instance/values"), R"(["a","b","c"])");
  EXPECT_EQ(Data("/api/v1/label/nope/values"), "[]");
  EXPECT_EQ(Data("/api/v1/metadata"), R"({"m":[{"type":"gauge","help":"Help of m.","unit":""}]})");
  EXPECT_EQ(Data("/api/v1/metadata?limit=0"), "{}");
  EXPECT_THAT(Data("/api/v1/metadata?limit=-1"), HasSubstr("Help of m."));
}

TEST_F(ApiTest, FormatsAndParsesQueries) {
  EXPECT_EQ(Data("/api/v1/format_query?query=foo%2Fbar"), R"("foo / bar")");
  const Json ast =
      *Json::Parse(Data("/api/v1/parse_query?query=sum%20by%20(a)%20(rate(m%5B1m%5D))"));
  EXPECT_EQ(ast["type"].AsString(), "aggregation");
  EXPECT_EQ(ast["expr"]["func"]["name"].AsString(), "rate");
  EXPECT_EQ(ast["expr"]["args"].AsArray()[0]["range"].AsInt(), 60'000);
}

TEST_F(ApiTest, TellsItsStatus) {
  EXPECT_EQ(Data("/api/v1/status/config"), R"({"yaml":"global: {}\n"})");
  EXPECT_EQ(Data("/api/v1/status/flags"), R"({"config.file":"p.yml"})");
  EXPECT_THAT(Data("/api/v1/status/buildinfo"), HasSubstr(R"("application":"Deckwatch")"));
  EXPECT_THAT(Data("/api/v1/status/runtimeinfo"), HasSubstr(R"("storageRetention":"15d")"));
  const Json tsdb = *Json::Parse(Data("/api/v1/status/tsdb?limit=1"));
  EXPECT_EQ(tsdb["headStats"]["numSeries"].AsInt(), 3);
  EXPECT_EQ(tsdb["seriesCountByMetricName"].AsArray()[0]["name"].AsString(), "m");
  EXPECT_EQ(tsdb["labelValueCountByLabelName"].AsArray().size(), 1u);
  const Json growth = tsdb["growth"];
  EXPECT_EQ(growth["numSeries"].AsInt(), 3);
  EXPECT_EQ(growth["since"].AsString(),
            "2023-11-14T22:13:20.000Z");  // the start: later than an hour ago
  EXPECT_EQ(growth["seriesCountByMetricName"].AsArray()[0]["name"].AsString(), "m");
  EXPECT_THAT(Error("/api/v1/status/tsdb?limit=10001"), HasSubstr("400 bad_data"));
  EXPECT_THAT(Error("/api/v1/status/tsdb?growth=x"), HasSubstr("400 bad_data"));
  EXPECT_EQ(Data("/api/v1/status/tsdb/blocks"), R"({"blocks":[]})");
  context_.enable_admin = true;
  ASSERT_EQ(Post("/api/v1/admin/tsdb/compact", "", "").status, 204);
  const Json part = (*Json::Parse(Data("/api/v1/status/tsdb/blocks")))["blocks"].AsArray().at(0);
  EXPECT_EQ(part["stats"]["numSeries"].AsInt(), 3);
  EXPECT_EQ(part["stats"]["numSamples"].AsInt(), 15);
}

TEST_F(ApiTest, ListsItsFeatures) {
  context_.enable_admin = true;
  const Json all = *Json::Parse(Data("/api/v1/features"));
  EXPECT_EQ(all["promql_functions"].AsObject().size(), query::AllFunctions().size());
  EXPECT_TRUE(all["promql_functions"]["info"].AsBool());
  EXPECT_EQ(all["promql_operators"].AsObject().size(), 35u);
  for (const char* op : {"!~", "@", "</", "atan2", "unless", "sum", "limit_ratio"}) {
    EXPECT_TRUE(all["promql_operators"][op].AsBool()) << op;
  }
  EXPECT_TRUE(all["promql"]["delayed_name_removal"].AsBool());
  EXPECT_FALSE(all["promql"]["use_start_timestamps"].AsBool());
  EXPECT_TRUE(all["api"]["admin"].AsBool());
  EXPECT_FALSE(all["api"]["lifecycle"].AsBool());
  EXPECT_TRUE(all["service_discovery_providers"]["kubernetes"].AsBool());
  EXPECT_EQ(all["templating_functions"].AsObject().size(), 29u);
}

TEST_F(ApiTest, FederatesTheNewestSamples) {
  EXPECT_EQ(Get("/federate?match[]=m%7Binstance%3D~%22a%7Cb%22%7D").body,
            "# TYPE m untyped\n"
            "m{instance=\"a\",job=\"j\",site=\"x\"} 4 1700000000000\n"
            "m{instance=\"b\",job=\"j\",site=\"x\"} 8 1700000000000\n");
  clock_.AdvanceMs(301'000);
  EXPECT_EQ(Get("/federate?match[]=m").body, "");
}

TEST_F(ApiTest, FederatesNativeHistogramsInProtobufAlone) {
  WriteRequestBuilder b;
  b.RawSeries(WriteRequestBuilder::Label("__name__", "h") +
              WriteRequestBuilder::EmptyHistogram(kNow));
  ASSERT_EQ(Post("/api/v1/write", b.Compressed(), "application/x-protobuf").status, 204);
  const std::string protobuf =
      "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
  const auto ask = [&](const std::string& accept) {
    HttpRequest request;
    request.url = url_ + "/federate?match[]=%7B%7D";
    request.headers = {{"Accept", accept}};
    return Do(request);
  };
  for (const std::string& accept :
       {std::string("text/plain"), std::string("*/*"), protobuf + ";q=0.1,text/plain;q=0.5"}) {
    const HttpResponse text = ask(accept);
    EXPECT_EQ(text.Header("Content-Type"), kPageContentType) << accept;
    EXPECT_THAT(text.body, HasSubstr("m{instance=\"c\",job=\"j\",site=\"x\"} 2 1700000000000\n"));
    EXPECT_THAT(text.body, Not(HasSubstr("h{")));
  }
  const HttpResponse packed = ask(protobuf + ";q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.1");
  EXPECT_EQ(packed.Header("Content-Type"), kMetricFamilyContentType);
  EXPECT_EQ(packed.body.substr(1, 3), std::string("\x0a\x01h"));
  EXPECT_THAT(packed.body, HasSubstr(std::string("\x0a\x01m\x18\x03")));
}

TEST_F(ApiTest, AnswersRemoteWriteWithPrometheusCodes) {
  WriteRequestBuilder old;
  old.Series({{"__name__", "m"}, {"instance", "a"}, {"job", "j"}}, {{99, kNow}});
  const std::string packed = old.Compressed();
  const std::string type = "application/x-protobuf";
  EXPECT_EQ(Post("/api/v1/write", packed, type).status, 400);  // another value for that time
  EXPECT_EQ(Post("/api/v1/write", "junk", type).status, 400);
  EXPECT_EQ(Post("/api/v1/write", packed, "application/json").status, 415);
  EXPECT_EQ(Post("/api/v1/write", packed, type + ";proto=io.prometheus.write.v2.Request").status,
            415);
  context_.enable_remote_write = false;
  EXPECT_EQ(Post("/api/v1/write", packed, type).status, 404);
}

TEST_F(ApiTest, KeepsAdministrationBehindItsFlag) {
  const std::string erase = "/api/v1/admin/tsdb/delete_series?match[]=m%7Binstance%3D%22a%22%7D";
  EXPECT_EQ(Post(erase, "", "").status, 500);
  EXPECT_EQ(Get("/api/v1/admin/tsdb/compact").status, 405);
  context_.enable_admin = true;
  HttpRequest foreign;
  foreign.method = "POST";
  foreign.url = url_ + erase;
  foreign.headers = {{"Origin", "http://elsewhere.example"}};
  EXPECT_THAT(Do(foreign).body, HasSubstr("another origin"));
  EXPECT_EQ(Get("/api/v1/admin/tsdb/undelete?id=1").status, 405);
  EXPECT_EQ(Post(erase, "", "").status, 204);
  EXPECT_THAT(Data("/api/v1/query?query=count(m)"), HasSubstr("\"2\""));
  EXPECT_EQ(Post("/api/v1/admin/tsdb/undelete?id=x", "", "").status, 400);
  EXPECT_EQ(Post("/api/v1/admin/tsdb/undelete?id=77", "", "").status, 404);
  const std::string listed = Data("/api/v1/admin/tsdb/tombstones");
  EXPECT_THAT(listed, HasSubstr(R"("id":1,"matchers":"{instance=\"a\",__name__=\"m\"}","start":)"));
  EXPECT_EQ(Post("/api/v1/admin/tsdb/undelete?id=1", "", "").status, 204);
  EXPECT_THAT(Data("/api/v1/query?query=count(m)"), HasSubstr("\"3\""));
  EXPECT_EQ(Data("/api/v1/admin/tsdb/tombstones"), "[]");
  EXPECT_EQ(Post(erase, "", "").status, 204);
  EXPECT_EQ(Post("/api/v1/admin/tsdb/clean_tombstones", "", "").status, 204);
  EXPECT_EQ(Post("/api/v1/admin/tsdb/compact", "", "").status, 204);
  EXPECT_THAT(Data("/api/v1/query?query=count(m)"), HasSubstr("\"2\""));
  const HttpResponse snapshot = Post("/api/v1/admin/tsdb/snapshot", "", "");
  const std::string name = (*Json::Parse(snapshot.body))["data"]["name"].AsString();
  EXPECT_TRUE(std::filesystem::exists(dir_ + "/snapshots/" + name)) << snapshot.body;
}

TEST_F(ApiTest, IsUnavailableUntilReady) {
  context_.ready = false;
  EXPECT_EQ(Get("/api/v1/query?query=1").status, 503);
  EXPECT_EQ(Get("/federate?match[]=m").status, 503);
  EXPECT_EQ(Get("/api/v1/status/walreplay").status, 200);
}

TEST_F(ApiTest, AllowsOtherOriginsToRead) {
  HttpRequest request;
  request.url = url_ + "/api/v1/query?query=1";
  request.headers = {{"Origin", "http://grafana.example"}};
  EXPECT_EQ(Do(request).Header("Access-Control-Allow-Origin"), "*");
  request.method = "OPTIONS";
  for (const char* path : {"query?query=1", "write", "nosuch"}) {
    request.url = url_ + "/api/v1/" + path;
    const HttpResponse asked = Do(request);
    EXPECT_EQ(asked.status, 204) << path;
    EXPECT_EQ(asked.Header("Access-Control-Allow-Methods"), "GET, POST, OPTIONS") << path;
  }
  request.method = "GET";
  EXPECT_EQ(Do(request).status, 404);
}

TEST_F(ApiTest, HasNoHead) {
  HttpRequest request;
  request.method = "HEAD";
  request.url = url_ + "/api/v1/labels";
  const HttpResponse r = Do(request);
  EXPECT_EQ(r.status, 405);
  EXPECT_EQ(r.Header("Allow"), "GET, OPTIONS, POST");
}

TEST_F(ApiTest, ATimeoutOfNothingIsOverAtOnce) {
  for (const char* timeout : {"0", "-1", "0s", "1e-9"}) {
    const HttpResponse r = Get("/api/v1/query?query=m&timeout=" + std::string(timeout));
    EXPECT_EQ(r.status, 503) << timeout;
    EXPECT_THAT(r.body, HasSubstr(R"("errorType":"timeout")")) << timeout;
  }
  EXPECT_EQ(Get("/api/v1/query?query=m&timeout=10s").status, 200);
  EXPECT_EQ(Get("/api/v1/query?query=m&timeout=").status, 200);
}

TEST_F(ApiTest, ExemplarsOfNoSelectorAreNoContent) {
  EXPECT_EQ(Get("/api/v1/query_exemplars?query=vector(1)").status, 204);
}

TEST_F(ApiTest, TellsWhenTheConfigurationDidNotLoad) {
  EXPECT_EQ(Data("/api/v1/notifications"), "[]");
  reload_failed_ms_ = kNow;
  EXPECT_THAT(Data("/api/v1/notifications"),
              HasSubstr(R"([{"text":"Configuration reload has failed.","date":"20)"));
  EXPECT_EQ(Get("/api/v1/notifications/live").status, 204);
}

TEST_F(ApiTest, HasEmptyListsWithoutScraperAndRules) {
  EXPECT_EQ(Data("/api/v1/targets"),
            R"({"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}})");
  EXPECT_EQ(Data("/api/v1/rules"), R"({"groups":[]})");
  EXPECT_EQ(Data("/api/v1/alerts"), R"({"alerts":[]})");
  EXPECT_EQ(Data("/api/v1/alertmanagers"),
            R"({"activeAlertmanagers":[],"droppedAlertmanagers":[]})");
}

TEST_F(ApiTest, RelabelSteps) {
  context_.scrape_configs = [] {
    const auto node = ParseYaml(R"(
- job_name: web
  relabel_configs:
  - {source_labels: [__address__, job], regex: '(.*):(.*);web', target_label: port, replacement: $2}
  - {action: labeldrop, regex: secret}
  - {action: hashmod, source_labels: [job], modulus: 1, target_label: shard}
  - {action: drop, source_labels: [port], regex: '1'}
  - {target_label: late, replacement: x}
)",
                                "p.yml");
    std::set<std::string> names;
    return scraper::ParseScrapeConfigs(*node, "p.yml", {}, &names).value();
  };
  EXPECT_EQ(
      Data("/api/v1/targets/relabel_steps?scrapePool=web&labels=%7B%22__address__%22:%22h:1%22,"
           "%22job%22:%22web%22,%22secret%22:%22s%22%7D"),
      R"x({"steps":[{"rule":{"sourceLabels":["__address__","job"],"separator":";",)x"
      R"x("regex":"(.*):(.*);web","targetLabel":"port","replacement":"$2","action":"replace"},)x"
      R"x("output":{"__address__":"h:1","job":"web","port":"1","secret":"s"},"keep":true},)x"
      R"x({"rule":{"separator":";","regex":"secret","replacement":"$1","action":"labeldrop"},)x"
      R"x("output":{"__address__":"h:1","job":"web","port":"1"},"keep":true},)x"
      R"x({"rule":{"sourceLabels":["job"],"separator":";","regex":"(.*)","modulus":1,)x"
      R"x("targetLabel":"shard","replacement":"$1","action":"hashmod"},)x"
      R"x("output":{"__address__":"h:1","job":"web","port":"1","shard":"0"},"keep":true},)x"
      R"x({"rule":{"sourceLabels":["port"],"separator":";","regex":"1","replacement":"$1",)x"
      R"x("action":"drop"},"output":{},"keep":false},)x"
      R"x({"rule":{"separator":";","regex":"(.*)","targetLabel":"late","replacement":"x",)x"
      R"x("action":"replace"},"output":{},"keep":false}]})x");
  const std::string path = "/api/v1/targets/relabel_steps?";
  EXPECT_EQ(Error(path + "labels=%7B%7D"), "400 bad_data: no scrapePool parameter provided");
  EXPECT_EQ(Error(path + "scrapePool=web"), "400 bad_data: no labels parameter provided");
  EXPECT_THAT(Error(path + "scrapePool=web&labels=%7B"), HasSubstr("error parsing labels: "));
  EXPECT_THAT(Error(path + "scrapePool=web&labels=%7B%22a%22:1%7D"),
              HasSubstr("error parsing labels: a is not a string"));
  EXPECT_THAT(Error(path + "scrapePool=web&labels=%5B%5D"), HasSubstr("error parsing labels: "));
  EXPECT_EQ(Error(path + "scrapePool=x&labels=%7B%7D"),
            "400 bad_data: error retrieving scrape config: scrape pool \"x\" not found");
}

TEST_F(ApiTest, SelfMetricsMayBeChosenByName) {
  context_.metrics_page = [] {
    return "# HELP a A.\n# TYPE a gauge\na 1\n# HELP ab B.\n# TYPE ab gauge\nab 2\n";
  };
  const std::string path = "/api/v1/status/self_metrics";
  const std::string ab =
      R"({"name":"ab","help":"B.","type":"GAUGE","metric":[{"gauge":{"value":2}}]})";
  EXPECT_EQ(Data(path + "?metric_name_pattern=.b"), "[" + ab + "]");
  EXPECT_THAT(Data(path), HasSubstr("}," + ab + "]"));
  EXPECT_THAT(Error(path + "?metric_name_pattern=%28"),
              HasSubstr("400 bad_data: invalid parameter \"metric_name_pattern\""));
}

}  // namespace
}  // namespace deckwatch::server
