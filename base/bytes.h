// The vocabulary of our binary formats: fixed little-endian and big-endian integers, LEB128
// varints, zigzag, and length-prefixed strings. Writers append to a std::string; readers consume
// from a Reader and fail softly.
//
// Big-endian forms are for keys (byte order = numeric order); everything else is little-endian.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace deckwatch {

inline void PutFixed32(std::string* out, uint32_t v) {
  out->append(reinterpret_cast<const char*>(&v), sizeof v);
}
inline void PutFixed64(std::string* out, uint64_t v) {
  out->append(reinterpret_cast<const char*>(&v), sizeof v);
}
inline void PutBig32(std::string* out, uint32_t v) {
  PutFixed32(out, __builtin_bswap32(v));
}
inline void PutBig64(std::string* out, uint64_t v) {
  PutFixed64(out, __builtin_bswap64(v));
}

// Signed 64-bit so that byte order is numeric order: the sign bit is flipped.
inline void PutBigSigned64(std::string* out, int64_t v) {
  PutBig64(out, static_cast<uint64_t>(v) ^ (uint64_t{1} << 63));
}

inline uint64_t ZigZag(int64_t v) {
  return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63);
}
inline int64_t UnZigZag(uint64_t v) {
  return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
}

inline void PutVarint(std::string* out, uint64_t v) {
  char buf[10];
  size_t n = 0;
  while (v >= 0x80) {
    buf[n++] = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  buf[n++] = static_cast<char>(v);
  out->append(buf, n);
}
inline void PutSignedVarint(std::string* out, int64_t v) {
  PutVarint(out, ZigZag(v));
}
inline void PutString(std::string* out, std::string_view s) {
  PutVarint(out, s.size());
  out->append(s);
}
inline void PutDouble(std::string* out, double v) {
  PutFixed64(out, std::bit_cast<uint64_t>(v));
}

// Consumes bytes front to back. Every Get returns false, leaving the reader failed, when the bytes
// do not hold the asked value; a failed reader stays failed, so a decoder may check ok() once at
// its end.
class Reader {
 public:
  explicit Reader(std::string_view data)
      : p_(reinterpret_cast<const uint8_t*>(data.data())), end_(p_ + data.size()) {}

  bool ok() const { return ok_; }
  size_t remaining() const { return static_cast<size_t>(end_ - p_); }
  bool AtEnd() const { return p_ == end_; }

  bool GetByte(uint8_t* v) {
    if (p_ == end_) return Fail();
    *v = *p_++;
    return true;
  }
  bool GetFixed32(uint32_t* v) { return GetRaw(v, sizeof *v); }
  bool GetFixed64(uint64_t* v) { return GetRaw(v, sizeof *v); }
  bool GetBig32(uint32_t* v) {
    if (!GetFixed32(v)) return false;
    *v = __builtin_bswap32(*v);
    return true;
  }
  bool GetBig64(uint64_t* v) {
    if (!GetFixed64(v)) return false;
    *v = __builtin_bswap64(*v);
    return true;
  }
  bool GetBigSigned64(int64_t* v) {
    uint64_t u;
    if (!GetBig64(&u)) return false;
    *v = static_cast<int64_t>(u ^ (uint64_t{1} << 63));
    return true;
  }
  bool GetDouble(double* v) {
    uint64_t u;
    if (!GetFixed64(&u)) return false;
    *v = std::bit_cast<double>(u);
    return true;
  }
  bool GetVarint(uint64_t* v) {
    uint64_t result = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (p_ == end_) return Fail();
      const uint64_t byte = *p_++;
      result |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (shift == 63 && byte > 1) return Fail();
        *v = result;
        return true;
      }
    }
    return Fail();
  }
  bool GetSignedVarint(int64_t* v) {
    uint64_t u;
    if (!GetVarint(&u)) return false;
    *v = UnZigZag(u);
    return true;
  }
  // The bytes stay those of the reader's input: `s` lives as long as that does.
  bool GetBytes(size_t n, std::string_view* s) {
    if (n > remaining()) return Fail();
    *s = {reinterpret_cast<const char*>(p_), n};
    p_ += n;
    return true;
  }
  bool GetString(std::string_view* s) {
    uint64_t n;
    return GetVarint(&n) && GetBytes(n, s);
  }
  std::string_view rest() const { return {reinterpret_cast<const char*>(p_), remaining()}; }

 private:
  bool Fail() {
    ok_ = false;
    p_ = end_;
    return false;
  }
  bool GetRaw(void* v, size_t n) {
    if (n > remaining()) return Fail();
    std::memcpy(v, p_, n);
    p_ += n;
    return true;
  }

  const uint8_t* p_;
  const uint8_t* end_;
  bool ok_ = true;
};

}  // namespace deckwatch
