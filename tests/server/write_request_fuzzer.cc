// Any bytes: the decoder of remote write must refuse or decode, never read outside.
#include "server/write_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deckwatch::server;
  WriteRequest request;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (!DecodeWriteRequest(bytes, &request).ok()) return 0;
  for (const auto& s : request.series) (void)DecodeWireLabels(s.labels).ok();
  return 0;
}
