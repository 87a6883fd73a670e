// Ids in their text forms, files in place.
#include "guest-init/uniqueness/identity_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/sys.h"
#include "guest-init/image_files.h"
#include "guest-init/mount_plan.h"
#include "guest-init/system_settings.h"

namespace anchorhold::guest_init {
namespace {

constexpr mode_t kMode = 0444;

// A version 4 UUID (RFC 9562 §5.4), 32 hex digits.
Result<std::string> random_id() {
    std::array<uint8_t, 16> raw{};
    if (::getrandom(raw.data(), raw.size(), GRND_INSECURE) != ssize_t{raw.size()}) {
        return fail_errno("getrandom");
    }
    raw[6] = static_cast<uint8_t>((raw[6] & 0x0f) | 0x40);
    raw[8] = static_cast<uint8_t>((raw[8] & 0x3f) | 0x80);
    std::string text;
    for (const uint8_t byte : raw) {
        text += fmt::format("{:02x}", byte);
    }
    return text;
}

std::string with_hyphens(std::string id) {
    for (const size_t at : {20, 16, 12, 8}) {
        id.insert(at, 1, '-');
    }
    return id;
}

Result<InPlaceFile> make_boot_id() {
    const std::string id = ANCHORHOLD_TRY(random_id());
    return InPlaceFile::create(kBootIdFile, with_hyphens(id) + "\n");
}

// A mount follows links, and an absolute one would lead out of the image: nothing but a regular
// file is mounted over.
Status make_regular(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
        return {};
    }
    return replace_file(path, "");
}

Result<InPlaceFile> make_machine_id(const std::string& root) {
    ANCHORHOLD_TRY(make_regular(root + "/etc/machine-id"));
    const std::string id = ANCHORHOLD_TRY(random_id());
    return InPlaceFile::create(kMachineIdFile, id + "\n");
}

Result<InPlaceFile> make_host_name(const std::string& root) {
    const std::string path = root + "/etc/hostname";
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) {
        ANCHORHOLD_TRY(make_regular(path));
    }
    return InPlaceFile::create(kHostNameFile, std::string(kHostName) + "\n");
}

Result<InPlaceFile> make_generation(const std::string& folder) {
    return InPlaceFile::create(folder + "/generation", generation_text(kFirstGeneration));
}

// Everybody registers, nobody takes another one's registration away.
Result<OwnFd> make_hooks(const std::string& path) {
    if (::mkdir(path.c_str(), 0755) < 0 && errno != EEXIST) {
        return fail_errno("mkdir", path);
    }
    if (::chmod(path.c_str(), 01777) < 0) {  // mkdir's mode passes the umask
        return fail_errno("chmod", path);
    }
    return sys::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

}  // namespace

Result<InPlaceFile> InPlaceFile::create(const std::string& path, std::string_view text) {
    if (::unlink(path.c_str()) < 0 && errno != ENOENT) {
        return fail_errno("unlink", path);
    }
    OwnFd fd = ANCHORHOLD_TRY(sys::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, kMode));
    ANCHORHOLD_TRY(sys::write_all(fd.get(), text));
    return InPlaceFile(std::move(fd), path, text.size());
}

Status InPlaceFile::rewrite(std::string_view text) {
    if (!fd_.valid()) {
        return fail("a file of the guest's identity could not be made at boot");
    }
    if (::pwrite(fd_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
        return fail_errno("write", path_);
    }
    if (text.size() < size_ && ::ftruncate(fd_.get(), static_cast<off_t>(text.size())) < 0) {
        return fail_errno("ftruncate", path_);
    }
    size_ = text.size();
    return {};
}

std::string generation_text(uint64_t generation) {
    return fmt::format("{:020}\n", generation);
}

IdentityFiles make_identity_files(const std::string& root, std::vector<std::string>& warnings) {
    IdentityFiles files;
    const auto keep = [&warnings](auto& place, auto made) {
        if (made) {
            place = std::move(*made);
        } else {
            warnings.push_back(made.error().message);
        }
    };
    keep(files.boot_id, make_boot_id());
    keep(files.machine_id, make_machine_id(root));
    keep(files.host_name, make_host_name(root));
    const std::string folder = root + "/run/anchorhold";
    if (::mkdir(folder.c_str(), 0755) < 0 && errno != EEXIST) {
        warnings.push_back(fail_errno("mkdir", folder).value().message);
        return files;
    }
    keep(files.generation, make_generation(folder));
    keep(files.hooks, make_hooks(folder + "/resume"));
    return files;
}

}  // namespace anchorhold::guest_init
