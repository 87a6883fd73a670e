// Build aside, sync, rename; read back strictly.
#include "supervisor/templates/template_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>

#include "base/private_folder.h"
#include "base/sys.h"
#include "snapshot/memory_digests.h"
#include "snapshot/state_file.h"
#include "supervisor/audit/file_digest.h"
#include "supervisor/image.h"
#include "supervisor/memory_conversion.h"

namespace anchorhold::supervisor {
namespace {

namespace fs = std::filesystem;

// Not a template's name, so that nothing unfinished is ever found under one.
constexpr const char* kUnfinished = ".new-";
constexpr const char* kReplaced = ".old-";
constexpr size_t kMaxManifest = 64 * 1024;

void remove_tree(const std::string& folder) {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
}

Status sync_folder(const std::string& folder) {
    const OwnFd fd = ANCHORHOLD_TRY(sys::open(folder, O_RDONLY | O_DIRECTORY));
    return ::fsync(fd.get()) < 0 ? Status(fail_errno("fsync", folder)) : Status();
}

// A builder holds a lock on its folder; what is not locked is a dead one's.
void sweep(const std::string& folder) {
    std::error_code failed;
    for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end;
         entry.increment(failed)) {
        const std::string name = entry->path().filename();
        if (!name.starts_with(kUnfinished) && !name.starts_with(kReplaced)) {
            continue;
        }
        const auto lock = sys::open(entry->path(), O_RDONLY | O_DIRECTORY);
        if (lock && ::flock(lock->get(), LOCK_EX | LOCK_NB) == 0) {
            remove_tree(entry->path());
        }
    }
}

// Between a folder's making and its lock nobody else sweeps: whoever makes, sweeps or renames such
// folders holds this meanwhile.
Result<OwnFd> lock_store(const std::string& folder) {
    OwnFd lock = ANCHORHOLD_TRY(sys::open(folder, O_RDONLY | O_DIRECTORY));
    while (::flock(lock.get(), LOCK_EX) < 0) {
        if (errno != EINTR) {
            return fail_errno("flock", folder);
        }
    }
    return lock;
}

Result<OwnFd> open_file(const std::string& path, uint64_t bytes) {
    OwnFd file = ANCHORHOLD_TRY(sys::open(path, O_RDONLY | O_NOFOLLOW));
    const uint64_t size = ANCHORHOLD_TRY(sys::file_size(file.get(), path));
    if (bytes != 0 && size != bytes) {
        return fail(
            fmt::format("{}: has {} bytes, not {}; the template is damaged, create it again", path,
                        size, bytes));
    }
    return file;
}

}  // namespace

const char* memory_file(MemoryForm form) {
    return form == MemoryForm::kSparse ? template_file::kMemory : template_file::kCompressed;
}

NewTemplate::NewTemplate(NewTemplate&& other) noexcept
    : folder_(std::exchange(other.folder_, {})),
      target_(std::move(other.target_)),
      lock_(std::move(other.lock_)) {}

NewTemplate::~NewTemplate() {
    if (!folder_.empty()) {
        remove_tree(folder_);
    }
}

Result<OwnFd> NewTemplate::create(const char* file, uint64_t bytes) const {
    OwnFd fd = ANCHORHOLD_TRY(sys::open(path(file), O_RDWR | O_CREAT | O_EXCL, 0600));
    if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) < 0) {
        return fail_errno("ftruncate", path(file));
    }
    return fd;
}

Status NewTemplate::publish() {
    std::error_code failed;
    for (fs::directory_iterator entry(folder_, failed), end; !failed && entry != end;
         entry.increment(failed)) {
        const OwnFd file = ANCHORHOLD_TRY(sys::open(entry->path(), O_RDONLY));
        if (::fsync(file.get()) < 0) {
            return fail_errno("fsync", entry->path().string());
        }
    }
    ANCHORHOLD_TRY(sync_folder(folder_));
    const std::string parent = fs::path(target_).parent_path();
    // In place of an older one by exchanging the two: there is no moment without either.
    if (::renameat2(AT_FDCWD, folder_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) == 0) {
        folder_.clear();
    } else if (errno != EEXIST) {
        return fail_errno("rename", target_);
    } else if (::renameat2(AT_FDCWD, folder_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) <
               0) {
        return fail_errno("rename", target_);
    }
    return sync_folder(parent);
}

Result<NewTemplate> TemplateStore::begin(const std::string& name) const {
    if (!is_template_name(name)) {
        return fail(
            fmt::format("template '{}': a name is 1 to 63 letters, digits and hyphens, "
                        "beginning and ending with a letter or digit",
                        name));
    }
    // The folder around it is of the state's, and as private.
    ANCHORHOLD_TRY(make_private_folders(fs::path(folder_).parent_path()));
    ANCHORHOLD_TRY(make_private_folder(folder_));
    const OwnFd held = ANCHORHOLD_TRY(lock_store(folder_));
    sweep(folder_);
    std::string folder = folder_ + "/" + kUnfinished + "XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr) {
        return fail_errno("mkdtemp", folder);
    }
    NewTemplate made(folder, path(name));
    ANCHORHOLD_TRY(made.lock());
    return made;
}

Status NewTemplate::lock() {
    lock_ = ANCHORHOLD_TRY(sys::open(folder_, O_RDONLY | O_DIRECTORY));
    return ::flock(lock_.get(), LOCK_EX | LOCK_NB) < 0 ? Status(fail_errno("flock", folder_))
                                                       : Status();
}

Result<TemplateManifest> TemplateStore::manifest(const std::string& name) const {
    if (!is_template_name(name)) {
        return fail(fmt::format("template '{}': no template has such a name", name));
    }
    const auto text = sys::read_file(path(name) + "/" + template_file::kManifest, kMaxManifest);
    if (!text) {
        return text.error().code == ENOENT
                   ? fail(fmt::format("template '{}' does not exist; see: anchorhold template ls, "
                                      "and create it with: anchorhold template create {}",
                                      name, name),
                          ENOENT)
                   : tl::unexpected(text.error());
    }
    auto manifest = read_manifest(*text);
    if (!manifest) {
        return tl::unexpected(manifest.error().within("template " + name));
    }
    if (manifest->name != name) {
        return fail(fmt::format("template {}: its manifest is that of '{}'", name, manifest->name));
    }
    return manifest;
}

Result<OpenTemplate> TemplateStore::open(const std::string& name,
                                         const std::string& digest_cache) const {
    OpenTemplate found;
    found.manifest = ANCHORHOLD_TRY(manifest(name));
    const TemplateManifest& manifest = found.manifest;
    const auto file = [&](const char* which) { return path(name) + "/" + which; };
    const std::string digest = ANCHORHOLD_TRY(file_digest(manifest.image, digest_cache));
    if (digest != manifest.image_digest) {
        return fail(
            fmt::format("template {}: the image {} is not the one it was made from; create "
                        "the template again",
                        name, manifest.image));
    }
    found.files.shape = manifest.shape;
    found.files.image = manifest.image;
    found.files.image_file = ANCHORHOLD_TRY(open_image(manifest.image));
    found.files.state = ANCHORHOLD_TRY(open_file(file(template_file::kState), 0));
    found.files.form = manifest.memory_form;
    found.files.memory = ANCHORHOLD_TRY(
        open_file(file(memory_file(manifest.memory_form)),
                  manifest.memory_form == MemoryForm::kSparse ? manifest.shape.memory_bytes : 0));
    found.files.digests = ANCHORHOLD_TRY(open_file(file(template_file::kDigests), 0));
    if (auto set = sys::open(file(template_file::kWorkingSet), O_RDONLY | O_NOFOLLOW)) {
        found.files.working_set = std::move(*set);
    }
    if (manifest.shape.disks > 1) {
        found.files.disk =
            ANCHORHOLD_TRY(open_file(file(template_file::kDisk), manifest.disk_bytes));
    }
    return found;
}

Result<std::vector<TemplateManifest>> TemplateStore::list() const {
    std::vector<TemplateManifest> found;
    std::error_code failed;
    for (fs::directory_iterator entry(folder_, failed), end; !failed && entry != end;
         entry.increment(failed)) {
        if (auto manifest = this->manifest(entry->path().filename())) {
            found.push_back(std::move(*manifest));
        }
    }
    if (failed && failed != std::errc::no_such_file_or_directory) {
        return fail_errno(failed.value(), "open", folder_);
    }
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return found;
}

Status TemplateStore::remove(const std::string& name) const {
    ANCHORHOLD_TRY(manifest(name));
    OwnFd held = ANCHORHOLD_TRY(lock_store(folder_));
    // Gone in one step; what is left of it is nobody's.
    std::string gone = folder_ + "/" + kReplaced + "XXXXXX";
    if (::mkdtemp(gone.data()) == nullptr) {
        return fail_errno("mkdtemp", gone);
    }
    const std::string inside = gone + "/" + name;
    const Status moved = ::rename(path(name).c_str(), inside.c_str()) < 0
                             ? Status(fail_errno("rename", path(name)))
                             : Status();
    held.reset();
    remove_tree(gone);
    return moved;
}

Result<std::string> disk_digest(int disk) {
    const uint64_t bytes = ANCHORHOLD_TRY(sys::file_size(disk, "template disk"));
    if (bytes == 0 || bytes > snapshot::kMaxDigestedMemory) {
        return std::string();
    }
    const auto chunks = ANCHORHOLD_TRY(snapshot::compute_digests(disk)).chunks;
    const snapshot::Digest all = snapshot::digest(std::as_bytes(std::span(chunks)));
    return fmt::format("xxh3-128:{:016x}{:016x}", all.high, all.low);
}

Status TemplateStore::verify(const std::string& name, const std::string& digest_cache,
                             const Installation& installation) const {
    const OpenTemplate opened = ANCHORHOLD_TRY(open(name, digest_cache));
    const std::string& disk = opened.manifest.disk_digest;
    if (!disk.empty() && disk != ANCHORHOLD_TRY(disk_digest(opened.files.disk.get()))) {
        return fail(fmt::format(
            "template {}: disk: not the bytes that were written; create the template again", name));
    }
    const auto state = snapshot::read_state(opened.files.state.get());
    if (!state) {
        return tl::unexpected(state.error().within(fmt::format("template {}: state", name)));
    }
    return check_memory(name, installation, opened.files.memory.get(), opened.files.form,
                        opened.files.digests.get());
}

Status TemplateStore::check_memory(const std::string& name, const Installation& installation,
                                   int memory, MemoryForm form, int digests) const {
    const auto in_template = [&](Status status, const char* what) {
        return status ? std::move(status)
                      : Status(tl::unexpected(
                            status.error().within(fmt::format("template {}: {}", name, what))));
    };
    const auto table = snapshot::read_digests(digests);
    ANCHORHOLD_TRY(
        in_template(table ? Status() : Status(tl::unexpected(table.error())), "digests"));
    if (form == MemoryForm::kSparse) {
        return in_template(snapshot::verify_memory(memory, *table), "memory");
    }
    const OwnFd expanded = ANCHORHOLD_TRY(sys::open(folder_, O_TMPFILE | O_RDWR, 0600));
    ANCHORHOLD_TRY(in_template(
        convert_memory(installation, memory, expanded.get(), MemoryForm::kSparse), "memory"));
    return in_template(snapshot::verify_memory(expanded.get(), *table), "memory");
}

Result<std::string> default_template_folder() {
    return ANCHORHOLD_TRY(state_folder_path()) + "/templates";
}

}  // namespace anchorhold::supervisor
