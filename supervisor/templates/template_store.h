// The folder of templates: each a folder of its own that appears, complete and on disk, by one
// rename.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "supervisor/installation.h"
#include "supervisor/memory_backend.h"
#include "supervisor/snapshot_files.h"
#include "supervisor/templates/manifest.h"

namespace anchorhold::supervisor {

// The files of a template.
namespace template_file {
constexpr const char* kManifest = "manifest.json";
constexpr const char* kState = "state";             // snapshot/state_file.h
constexpr const char* kMemory = "memory.raw";       // sparse, of the memory's size; or
constexpr const char* kCompressed = "memory.zst";   // pager/compressed_memory.h
constexpr const char* kDigests = "memory.digests";  // snapshot/memory_digests.h
constexpr const char* kWorkingSet = "working-set";  // snapshot/working_set.h
constexpr const char* kDisk = "disk.raw";  // sparse; absent where the writable layer is memory
}  // namespace template_file

// The name of a memory file of this form.
[[nodiscard]] const char* memory_file(MemoryForm form);

// A template, open. Deleting it meanwhile changes nothing for whoever has it open.
struct OpenTemplate {
    TemplateManifest manifest;
    SnapshotFiles files;
};

// What becomes a template: a folder that nobody sees, gone with this object unless published.
class NewTemplate {
  public:
    NewTemplate(std::string folder, std::string target)
        : folder_(std::move(folder)), target_(std::move(target)) {}
    NewTemplate(NewTemplate&& other) noexcept;
    NewTemplate& operator=(NewTemplate&&) = delete;
    NewTemplate(const NewTemplate&) = delete;
    NewTemplate& operator=(const NewTemplate&) = delete;
    ~NewTemplate();

    [[nodiscard]] std::string path(const char* file) const { return folder_ + "/" + file; }
    // A new file of it, of `bytes` (a hole).
    [[nodiscard]] Result<OwnFd> create(const char* file, uint64_t bytes = 0) const;
    // While it is held nobody takes the folder for a dead builder's.
    Status lock();
    // Writes everything to disk and lets it appear under its name, in place of an older one.
    Status publish();

  private:
    std::string folder_;  // empty once published; what it replaced is removed
    std::string target_;
    OwnFd lock_;
};

// "xxh3-128:" and 32 hexadecimal digits over the digests of the file's chunks
// (snapshot/memory_digests.h); empty where the file is empty or larger than those allow.
[[nodiscard]] Result<std::string> disk_digest(int disk);

class TemplateStore {
  public:
    explicit TemplateStore(std::string folder) : folder_(std::move(folder)) {}

    // Sweeps what builders left that died.
    [[nodiscard]] Result<NewTemplate> begin(const std::string& name) const;
    // Checks manifest and sizes; the image is checked by its digest (kept per file and time in
    // `digest_cache`, see supervisor/audit/file_digest.h). Errors say what to do.
    [[nodiscard]] Result<OpenTemplate> open(const std::string& name,
                                            const std::string& digest_cache) const;
    [[nodiscard]] Result<std::vector<TemplateManifest>> list() const;
    Status remove(const std::string& name) const;
    // Reads all of it and compares with the digests of when it was made; what is compressed is
    // expanded into a file without a name for it.
    Status verify(const std::string& name, const std::string& digest_cache,
                  const Installation& installation) const;
    // The same of a memory file alone. `name` is for the error.
    Status check_memory(const std::string& name, const Installation& installation, int memory,
                        MemoryForm form, int digests) const;

    [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }

  private:
    [[nodiscard]] Result<TemplateManifest> manifest(const std::string& name) const;

    std::string folder_;
};

// templates/ below state_folder_path() (base/private_folder.h).
[[nodiscard]] Result<std::string> default_template_folder();

}  // namespace anchorhold::supervisor
