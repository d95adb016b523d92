// An HTTP server on a free loopback port, whose pages a test sets.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <thread>

#include <httplib.h>

#include "base/executor.h"
#include "base/mutex.h"

namespace deckwatch::scraper {

class WebServer {
 public:
  using Handler = std::function<void(const httplib::Request&, httplib::Response&)>;

  WebServer() {
    server_.Get(".*", [this](const httplib::Request& request, httplib::Response& response) {
      Handler handler;
      {
        MutexLock lock(mutex_);
        ++requests_;
        handler = handler_;
      }
      if (handler) handler(request, response);
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = StartThread("web", [this](std::stop_token) { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~WebServer() {
    server_.stop();
    thread_.join();
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  void Handle(Handler handler) {
    MutexLock lock(mutex_);
    handler_ = std::move(handler);
  }
  void Page(std::string text, std::string type = "text/plain; version=0.0.4") {
    Handle([text = std::move(text), type = std::move(type)](const httplib::Request&,
                                                            httplib::Response& response) {
      response.set_content(text, type.c_str());
    });
  }
  int requests() const {
    MutexLock lock(mutex_);
    return requests_;
  }

 private:
  httplib::Server server_;
  int port_ = 0;
  mutable Mutex mutex_;
  Handler handler_ GUARDED_BY(mutex_);
  int requests_ GUARDED_BY(mutex_) = 0;
  std::jthread thread_;
};

}  // namespace deckwatch::scraper
