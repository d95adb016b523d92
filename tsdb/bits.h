// Streams of bits, least significant first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace deckwatch::tsdb {

class BitWriter {
 public:
  // Appends to `out`, which must outlive this.
  explicit BitWriter(std::string* out) : out_(out) {}
  void Put(uint64_t v, int width) {
    for (; width > 32; width -= 32, v >>= 32) PutSmall(v & 0xffffffff, 32);
    if (width > 0) PutSmall(v & ((uint64_t{1} << width) - 1), width);
  }
  void Finish() {
    if (used_ > 0) out_->append(reinterpret_cast<const char*>(&acc_), (used_ + 7) / 8);
    used_ = 0, acc_ = 0;
  }

 private:
  void PutSmall(uint64_t v, int width) {
    acc_ |= v << used_;
    used_ += width;
    if (used_ >= 32) {
      out_->append(reinterpret_cast<const char*>(&acc_), 4);
      acc_ >>= 32;
      used_ -= 32;
    }
  }
  std::string* out_;
  uint64_t acc_ = 0;
  int used_ = 0;
};

class BitReader {
 public:
  explicit BitReader(std::string_view data) : data_(data), bits_(data.size() * 8) {}
  // Zeroes past the end; then ok() is false. width <= 64.
  uint64_t Get(int width) {
    if (pos_ + static_cast<size_t>(width) > bits_) {
      pos_ = bits_ + 1;
      return 0;
    }
    uint64_t v = 0;
    for (int done = 0; done < width;) {
      const int in_byte = static_cast<int>(pos_ & 7);
      const int take = std::min(8 - in_byte, width - done);
      const uint64_t byte = static_cast<uint8_t>(data_[pos_ >> 3]);
      v |= ((byte >> in_byte) & ((1u << take) - 1)) << done;
      pos_ += static_cast<size_t>(take);
      done += take;
    }
    return v;
  }
  bool ok() const { return pos_ <= bits_; }
  size_t bytes_read() const { return (pos_ + 7) / 8; }

 private:
  std::string_view data_;
  size_t bits_;
  size_t pos_ = 0;
};

}  // namespace deckwatch::tsdb
