#include "dashboard/offscreen.h"

#include <string>

#include <EGL/egl.h>
#include <EGL/eglext.h>
#define GL_GLEXT_PROTOTYPES
#include <GL/gl.h>
#include <GL/glext.h>
#include <backends/imgui_impl_opengl3.h>
#include <imgui.h>

namespace deckwatch::dashboard {

struct Offscreen::Impl {
  EGLDisplay display = EGL_NO_DISPLAY;
  EGLContext context = EGL_NO_CONTEXT;
  GLuint framebuffer = 0, texture = 0;
  int width = 0, height = 0;
  bool has_renderer = false;

  ~Impl() {
    if (has_renderer) ImGui_ImplOpenGL3_Shutdown();
    if (framebuffer != 0) glDeleteFramebuffers(1, &framebuffer);
    if (texture != 0) glDeleteTextures(1, &texture);
    if (context != EGL_NO_CONTEXT) {
      eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
      eglDestroyContext(display, context);
    }
    if (display != EGL_NO_DISPLAY) eglTerminate(display);
  }

  Status OpenContext() {
    const auto failed = [](const std::string& what) {
      return Status::Unavailable("cannot draw without a display: " + what);
    };
    display = eglGetPlatformDisplay(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, nullptr);
    if (display == EGL_NO_DISPLAY) return failed("EGL has no surfaceless platform");
    if (eglInitialize(display, nullptr, nullptr) != EGL_TRUE) {
      display = EGL_NO_DISPLAY;
      return failed("EGL does not start (is libgl1-mesa-dri installed?)");
    }
    if (eglBindAPI(EGL_OPENGL_API) != EGL_TRUE) return failed("EGL has no OpenGL");
    const EGLint attributes[] = {EGL_CONTEXT_MAJOR_VERSION,
                                 3,
                                 EGL_CONTEXT_MINOR_VERSION,
                                 3,
                                 EGL_CONTEXT_OPENGL_PROFILE_MASK,
                                 EGL_CONTEXT_OPENGL_CORE_PROFILE_BIT,
                                 EGL_NONE};
    context = eglCreateContext(display, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, attributes);
    if (context == EGL_NO_CONTEXT) return failed("no OpenGL 3.3");
    if (eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context) != EGL_TRUE) {
      return failed("the OpenGL context needs a surface");
    }
    return Status::Ok();
  }

  Status OpenTarget() {
    glGenTextures(1, &texture);
    glBindTexture(GL_TEXTURE_2D, texture);
    glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, width, height, 0, GL_RGBA, GL_UNSIGNED_BYTE, nullptr);
    glGenFramebuffers(1, &framebuffer);
    glBindFramebuffer(GL_FRAMEBUFFER, framebuffer);
    glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture, 0);
    if (glCheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE) {
      return Status::Unavailable("cannot draw an image of " + std::to_string(width) + "x" +
                                 std::to_string(height));
    }
    return Status::Ok();
  }
};

Offscreen::Offscreen(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Offscreen::~Offscreen() = default;

Result<std::unique_ptr<Offscreen>> Offscreen::Create(int width, int height) {
  auto impl = std::make_unique<Impl>();
  impl->width = width;
  impl->height = height;
  TRY(impl->OpenContext());
  TRY(impl->OpenTarget());
  impl->has_renderer = ImGui_ImplOpenGL3_Init("#version 150");
  if (!impl->has_renderer) return Status::Unavailable("ImGui's OpenGL renderer does not start");
  ImGui_ImplOpenGL3_NewFrame();  // uploads the fonts
  return std::unique_ptr<Offscreen>(new Offscreen(std::move(impl)));
}

Image Offscreen::Draw(ImDrawData* data) {
  const Impl& impl = *impl_;
  glBindFramebuffer(GL_FRAMEBUFFER, impl.framebuffer);
  glViewport(0, 0, impl.width, impl.height);
  glClearColor(0, 0, 0, 1);
  glClear(GL_COLOR_BUFFER_BIT);
  ImGui_ImplOpenGL3_RenderDrawData(data);
  Image image{impl.width, impl.height, {}};
  const size_t row_bytes = static_cast<size_t>(impl.width) * 4;
  std::vector<uint8_t> upside_down(row_bytes * static_cast<size_t>(impl.height));
  glPixelStorei(GL_PACK_ALIGNMENT, 1);
  glReadPixels(0, 0, impl.width, impl.height, GL_RGBA, GL_UNSIGNED_BYTE, upside_down.data());
  image.rgba.reserve(upside_down.size());
  for (int y = impl.height - 1; y >= 0; --y) {
    const auto row = upside_down.begin() + static_cast<ptrdiff_t>(row_bytes) * y;
    image.rgba.insert(image.rgba.end(), row, row + static_cast<ptrdiff_t>(row_bytes));
  }
  return image;
}

}  // namespace deckwatch::dashboard
