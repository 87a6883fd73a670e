// Any bytes as an image and as a kernel: opened or refused with one printable line.
#include <fcntl.h>

#include <algorithm>
#include <string>

#include "base/check.h"
#include "base/sys.h"
#include "supervisor/image.h"

namespace anchorhold {
namespace {

void expect_one_line(const Result<OwnFd>& result) {
    ANCHORHOLD_CHECK(result || !result.error().message.empty());
    ANCHORHOLD_CHECK(result ||
                     std::all_of(result.error().message.begin(), result.error().message.end(),
                                 [](char c) { return c >= 0x20 && c <= 0x7e; }));
}

}  // namespace
}  // namespace anchorhold

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold;
    const auto file = sys::memfd("image", 0);
    ANCHORHOLD_CHECK(file.has_value());
    ANCHORHOLD_CHECK(sys::write_all(file->get(), std::as_bytes(std::span(data, size))).has_value());
    const std::string path = "/proc/self/fd/" + std::to_string(file->get());
    expect_one_line(supervisor::open_image(path));
    expect_one_line(supervisor::open_kernel(path));
    return 0;
}
