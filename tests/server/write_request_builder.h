// Writes remote-write messages by hand, field by field.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <snappy.h>

#include "base/bytes.h"

namespace deckwatch::server {

class WriteRequestBuilder {
 public:
  static std::string Label(const std::string& name, const std::string& value) {
    std::string label = "\x0a";
    PutString(&label, name);
    label += '\x12';
    PutString(&label, value);
    return Field('\x0a', label);
  }
  static std::string Sample(double value, int64_t t_ms) {
    std::string sample = "\x09";
    PutDouble(&sample, value);
    sample += '\x10';
    PutVarint(&sample, static_cast<uint64_t>(t_ms));
    return Field('\x12', sample);
  }
  static std::string Exemplar(const std::vector<std::pair<std::string, std::string>>& labels,
                              double value, int64_t t_ms) {
    std::string e;
    for (const auto& [name, v] : labels) e += Label(name, v);
    e += '\x11';
    PutDouble(&e, value);
    e += '\x18';
    PutVarint(&e, static_cast<uint64_t>(t_ms));
    return Field('\x1a', e);
  }
  // A native histogram without an observation.
  static std::string EmptyHistogram(int64_t t_ms) {
    std::string h(1, '\x08');
    h += '\0';
    h += '\x78';
    PutVarint(&h, static_cast<uint64_t>(t_ms));
    return Field('\x22', h);
  }

  void Series(const std::vector<std::pair<std::string, std::string>>& labels,
              const std::vector<std::pair<double, int64_t>>& samples) {
    std::string series;
    for (const auto& [name, value] : labels) series += Label(name, value);
    for (const auto& [value, t_ms] : samples) series += Sample(value, t_ms);
    RawSeries(series);
  }
  void RawSeries(const std::string& series) { message_ += Field('\x0a', series); }
  void Metadata(const std::string& name, uint64_t type, const std::string& help) {
    std::string m = "\x08";
    PutVarint(&m, type);
    m += Field('\x12', name) + Field('\x22', help);
    message_ += Field('\x1a', m);
  }
  const std::string& Build() const { return message_; }
  std::string Compressed() const {
    std::string out;
    snappy::Compress(message_.data(), message_.size(), &out);
    return out;
  }

 private:
  static std::string Field(char tag, const std::string& bytes) {
    std::string out(1, tag);
    PutString(&out, bytes);
    return out;
  }
  std::string message_;
};

}  // namespace deckwatch::server
