// Write beside, sync, rename, sync the folder.
#include "supervisor/service/record_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/private_folder.h"
#include "base/sys.h"

namespace anchorhold::service {
namespace {

constexpr const char* kRecord = "/record.json";
constexpr const char* kNewRecord = "/record.json.new";
constexpr std::string_view kRemoved = ".removed-";  // no sandbox's name begins with a dot
constexpr size_t kMaxRecord = size_t{1} << 20;

}  // namespace

RecordStore::RecordStore(std::string folder, FileSteps& steps, OwnFd lock)
    : folder_(std::move(folder)), steps_(steps), lock_(std::move(lock)) {}

Result<std::unique_ptr<RecordStore>> RecordStore::open(const std::string& folder,
                                                       FileSteps& steps) {
    ANCHORHOLD_TRY(make_private_folder(folder));
    OwnFd lock = ANCHORHOLD_TRY(sys::open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) < 0) {
        return errno == EWOULDBLOCK
                   ? fail(fmt::format("{}: another anchorhold serve has these sandboxes", folder),
                          EBUSY)
                   : fail_errno("flock", folder);
    }
    return std::unique_ptr<RecordStore>(new RecordStore(folder, steps, std::move(lock)));
}

std::string RecordStore::folder_of(const std::string& name) const {
    return folder_ + "/" + name;
}

Result<RecordStore::Loaded> RecordStore::load() {
    Loaded loaded;
    std::error_code failed;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator each(folder_, failed);
         !failed && each != std::filesystem::directory_iterator(); each.increment(failed)) {
        names.push_back(each->path().filename().string());
    }
    if (failed) {
        return fail_errno(failed.value(), "read folder", folder_);
    }
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
        if (name.starts_with(kRemoved)) {
            ANCHORHOLD_TRY(steps_.remove_tree(folder_of(name)));
            continue;
        }
        if (!check_name(name)) {
            continue;  // not ours
        }
        const auto text = sys::read_file(folder_of(name) + kRecord, kMaxRecord);
        if (!text && text.error().code == ENOENT) {
            ANCHORHOLD_TRY(steps_.remove_tree(folder_of(name)));  // its creation got no further
            continue;
        }
        const auto record =
            text ? parse_record(*text) : Result<Record>(tl::unexpected(text.error()));
        if (!record || record->name != name) {
            loaded.damaged.push_back(
                fmt::format("{}{}: {}", folder_of(name), kRecord,
                            record ? "it is another sandbox's" : record.error().message));
            continue;
        }
        loaded.records.push_back(*record);
    }
    return loaded;
}

Status RecordStore::create(const Record& record) {
    const std::string folder = folder_of(record.name);
    struct stat status {};
    if (::lstat(folder.c_str(), &status) == 0) {
        return fail(fmt::format("a sandbox has the name '{}'", record.name), EEXIST);
    }
    ANCHORHOLD_TRY(steps_.make_folder(folder));
    Status written = write_record(record);
    if (written) {
        written = steps_.sync_file(folder_);
    }
    if (!written) {
        [[maybe_unused]] const Status removed = steps_.remove_tree(folder);
    }
    return written;
}

Status RecordStore::save(const Record& record) {
    return write_record(record);
}

Status RecordStore::write_record(const Record& record) {
    const std::string folder = folder_of(record.name);
    ANCHORHOLD_TRY(steps_.write_file(folder + kNewRecord, to_json(record)));
    ANCHORHOLD_TRY(steps_.sync_file(folder + kNewRecord));
    ANCHORHOLD_TRY(steps_.rename(folder + kNewRecord, folder + kRecord));
    return steps_.sync_file(folder);
}

Status RecordStore::remove(const std::string& name) {
    const std::string grave = folder_ + "/" + std::string(kRemoved) + name;
    ANCHORHOLD_TRY(steps_.remove_tree(grave));
    ANCHORHOLD_TRY(steps_.rename(folder_of(name), grave));
    ANCHORHOLD_TRY(steps_.sync_file(folder_));
    return steps_.remove_tree(grave);
}

Status RecordStore::remove_part(const std::string& name, const std::string& part) {
    return steps_.remove_tree(folder_of(name) + "/" + part);
}

}  // namespace anchorhold::service
