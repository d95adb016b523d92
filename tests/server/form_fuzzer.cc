// Any bytes as a form: what comes out is no more than went in.
#include "base/status.h"
#include "server/form.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deckwatch::server;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::string_view type = all.substr(0, all.find('\n'));
  const std::string_view body = all.substr(std::min(type.size() + 1, size));
  Params params;
  ParseMultipart(type, body, &params);
  ParseUrlEncoded(body, &params);
  size_t bytes = 0;
  for (const auto& [name, value] : params) bytes += name.size() + value.size();
  CHECK(bytes <= 2 * size);
  return 0;
}
