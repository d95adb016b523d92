#include <memory>

#include "alerting/seams.h"

namespace deckwatch::alerting {

HttpTransportFactory MakeHttpClientTransport() {
  return [](const HttpClientConfig& config) -> HttpTransport {
    return [client = std::make_shared<HttpClient>(config)](const HttpRequest& request) {
      return client->Do(request);
    };
  };
}

}  // namespace deckwatch::alerting
