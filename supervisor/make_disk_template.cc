// Build tool: writes the packed empty file system that sandboxes' disks begin as. Usage:
// make-disk-template FILE
#include <cstdio>
#include <filesystem>

#include "supervisor/disk.h"
#include "supervisor/disk_template.h"
#include "supervisor/spec.h"

int main(int argc, char** argv) {
    using namespace anchorhold;
    if (argc != 2) {
        std::fprintf(stderr, "usage: make-disk-template FILE\n");
        return 2;
    }
    const std::string path = argv[1];
    const auto packed = [&]() -> Status {
        const OwnFd disk = ANCHORHOLD_TRY(supervisor::make_disk(
            {supervisor::kDefaultDiskBytes, std::filesystem::absolute(path).parent_path(), ""}));
        return supervisor::pack_disk(disk.get(), path);
    }();
    if (!packed) {
        std::fprintf(stderr, "make-disk-template: %s\n", packed.error().message.c_str());
        return 1;
    }
    return 0;
}
