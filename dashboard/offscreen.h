// Drawing without a display: an OpenGL context on EGL's surfaceless platform, into a texture.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"

struct ImDrawData;

namespace deckwatch::dashboard {

struct Image {
  int width = 0, height = 0;
  std::vector<uint8_t> rgba;  // rows from the top
};

class Offscreen {
 public:
  // Unavailable when there is no EGL with surfaceless platform or no OpenGL 3. Attaches to the
  // current ImGui context, whose fonts must be built; destroy before that context.
  static Result<std::unique_ptr<Offscreen>> Create(int width, int height);
  ~Offscreen();
  Offscreen(const Offscreen&) = delete;
  Offscreen& operator=(const Offscreen&) = delete;

  Image Draw(ImDrawData* data);

 private:
  struct Impl;
  explicit Offscreen(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace deckwatch::dashboard
