// The two neighbours that alerting calls, as functions, so that it can be tested without an engine
// and without a network.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/http_client.h"
#include "base/status.h"
#include "query/value.h"

namespace deckwatch::alerting {

// An instant query at `t_ms`. Thread-safe.
using QueryFunction =
    std::function<Result<query::QueryResult>(std::string_view expr, int64_t t_ms)>;
// What the rules of a group ask with. Thread-safe.
using GroupQueries =
    std::function<QueryFunction(const std::string& file, const std::string& group)>;

// One request, with the meaning of HttpClient::Do. Thread-safe.
using HttpTransport = std::function<Result<HttpResponse>(const HttpRequest&)>;
using HttpTransportFactory = std::function<HttpTransport(const HttpClientConfig&)>;

// The factory for real use: one HttpClient per configuration.
HttpTransportFactory MakeHttpClientTransport();

}  // namespace deckwatch::alerting
