// The real steps.
#include "supervisor/service/file_steps.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/sys.h"

namespace anchorhold::service {

Status FileSteps::make_folder(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) {
        return fail_errno("mkdir", path);
    }
    return {};
}

Status FileSteps::write_file(const std::string& path, std::string_view bytes) {
    const OwnFd file =
        ANCHORHOLD_TRY(sys::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
    return sys::write_all(file.get(), bytes);
}

Status FileSteps::sync_file(const std::string& path) {
    const OwnFd file = ANCHORHOLD_TRY(sys::open(path, O_RDONLY | O_NOFOLLOW));
    if (::fsync(file.get()) < 0) {
        return fail_errno("fsync", path);
    }
    return {};
}

Status FileSteps::rename(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) < 0) {
        return fail_errno("rename", from);
    }
    return {};
}

Status FileSteps::remove_tree(const std::string& path) {
    std::error_code failed;
    std::filesystem::remove_all(path, failed);
    return failed ? Status(fail_errno(failed.value(), "remove", path)) : Status();
}

}  // namespace anchorhold::service
