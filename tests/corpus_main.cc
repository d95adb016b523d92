// Runs a fuzz target over its saved corpus (files or folders named on the command line), so that
// every build without libFuzzer still checks them. The same inputs truncated at each quarter are
// tried as well.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {
int RunFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  for (size_t part = 0; part <= 4; ++part) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(text.data()), text.size() * part / 4);
  }
  return 1;
}
}  // namespace

int main(int argc, char** argv) {
  int files = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::filesystem::is_directory(argv[i])) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
        if (entry.is_regular_file()) files += RunFile(entry.path());
      }
    } else {
      files += RunFile(argv[i]);
    }
  }
  std::printf("%d corpus files\n", files);
  return files > 0 ? 0 : 1;
}
