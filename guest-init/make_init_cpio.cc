// make-init-cpio INIT OUTPUT: the initial RAM disk of a guest around the init binary. Needs no
// root: nodes are only written down.
#include <sys/stat.h>

#include <cstdio>

#include "base/sys.h"
#include "guest-init/cpio_archive.h"

namespace anchorhold::guest_init {
namespace {

constexpr size_t kMaxInit = 64 << 20;

Status write_archive(const std::string& init_path, const std::string& output_path) {
    const std::string init = ANCHORHOLD_TRY(sys::read_file(init_path, kMaxInit));
    CpioArchive archive;
    for (const char* directory : {"cgroup", "dev", "disk", "image", "root"}) {
        archive.add({.name = directory, .mode = S_IFDIR | 0755});
    }
    // The kernel opens it for init before init has mounted anything.
    archive.add(
        {.name = "dev/console", .mode = S_IFCHR | 0600, .device_major = 5, .device_minor = 1});
    archive.add({.name = "init", .mode = S_IFREG | 0755, .content = init});
    return sys::write_file(output_path, archive.finish());
}

}  // namespace
}  // namespace anchorhold::guest_init

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: make-init-cpio INIT OUTPUT\n", stderr);
        return 2;
    }
    const auto status = anchorhold::guest_init::write_archive(argv[1], argv[2]);
    if (!status) {
        std::fprintf(stderr, "make-init-cpio: %s\n", status.error().message.c_str());
        return 1;
    }
    return 0;
}
