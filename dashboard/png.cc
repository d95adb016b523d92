#include "dashboard/png.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <png.h>

namespace deckwatch::dashboard {
namespace {

// libpng reports errors by longjmp: nothing with a destructor lives in this frame.
bool Encode(std::FILE* file, const Image& image) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  if (png == nullptr) return false;
  png_infop info = png_create_info_struct(png);
  if (info == nullptr || setjmp(png_jmpbuf(png)) != 0) {
    png_destroy_write_struct(&png, &info);
    return false;
  }
  png_init_io(png, file);
  png_set_compression_level(png, 1);  // 40 ms for 1080p; higher levels cost far more than they save
  png_set_filter(png, 0, PNG_FILTER_SUB);
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  png_set_filler(png, 0, PNG_FILLER_AFTER);  // the source has a fourth byte, the file does not
  for (int y = 0; y < image.height; ++y) {
    png_write_row(png, image.rgba.data() + static_cast<size_t>(y) * image.width * 4);
  }
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return true;
}

}  // namespace

Status WritePng(const Image& image, const std::string& path) {
  const std::string part = path + ".part";
  const auto failed = [&](const std::string& what) {
    return Status::Io("cannot write " + path + ": " + what);
  };
  std::FILE* file = std::fopen(part.c_str(), "wb");
  if (file == nullptr) return failed(std::strerror(errno));
  const bool encoded = Encode(file, image);
  const bool closed = std::fclose(file) == 0;
  if (!encoded || !closed || std::rename(part.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    std::remove(part.c_str());
    return failed(reason);
  }
  return Status::Ok();
}

}  // namespace deckwatch::dashboard
