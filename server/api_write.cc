// /api/v1/write: remote write 1.0, with --web.enable-remote-write-receiver.
#include "server/api.h"
#include "server/remote_write.h"

namespace deckwatch::server {

namespace {

// "application/x-protobuf;proto=prometheus.WriteRequest", or without the parameter: version 1.
// Version 2 is told apart here, so that its senders fall back.
Status CheckContentType(std::string_view type) {
  const std::string_view media = type.substr(0, type.find(';'));
  if (!media.empty() && !EqualsIgnoreCase(media, "application/x-protobuf")) {
    return Status::InvalidArgument(
        "expected application/x-protobuf as the first (media) part, got " + QuoteGo(type) +
        " content-type");
  }
  const size_t proto = type.find("proto=");
  if (proto != std::string_view::npos && type.substr(proto + 6, 23) != "prometheus.WriteRequest") {
    return Status::InvalidArgument(QuoteGo(type.substr(proto + 6)) +
                                   " protobuf message is not accepted by this server; only "
                                   "prometheus.WriteRequest is");
  }
  return {};
}

int CodeOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kInvalidArgument: return 400;
    case StatusCode::kResourceExhausted: return 429;
    case StatusCode::kUnavailable: return 503;
    default: return 500;
  }
}

void Write(const ApiContext& c, const Request& request, Response* response) {
  if (!c.enable_remote_write) {
    return response->Text(404,
                          "remote write receiver needs to be enabled with "
                          "--web.enable-remote-write-receiver\n");
  }
  if (!ReadyGate(c, response)) return;
  if (const Status s = CheckContentType(request.Header("Content-Type")); !s.ok()) {
    return response->Text(415, s.message() + "\n");
  }
  const std::string_view encoding = request.Header("Content-Encoding");
  if (!encoding.empty() && !EqualsIgnoreCase(encoding, "snappy")) {
    return response->Text(415, std::string(encoding) +
                                   " encoding (compression) is not accepted by this server; only "
                                   "snappy is acceptable\n");
  }
  const Status s = c.remote_writer->Write(request.body);
  if (s.ok()) return response->Text(204, "");
  response->Text(CodeOf(s), s.message() + "\n");
}

}  // namespace

void RegisterWriteApi(Api* api) {
  const ApiContext* c = api->context();
  api->server()->Route("POST OPTIONS", "/api/v1/write", Lane::kIngest,
                       [c](const Request& request, Response* response) {
                         SetCors(request, response);
                         if (request.method == "OPTIONS") return response->Text(204, "");
                         Write(*c, request, response);
                       });
}

}  // namespace deckwatch::server
