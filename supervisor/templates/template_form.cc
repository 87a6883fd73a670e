// The new template shares every file but two with the old one.
#include "supervisor/templates/template_form.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "supervisor/memory_conversion.h"

namespace anchorhold::supervisor {
namespace {

Status write_manifest(const NewTemplate& made, const TemplateManifest& manifest) {
    const OwnFd file = ANCHORHOLD_TRY(made.create(template_file::kManifest));
    return sys::write_all(file.get(), std::string_view(to_json(manifest)));
}

// Whether `name` is still what was opened: another may have been made meanwhile.
Status check_same(const TemplateStore& store, const std::string& name, const OpenTemplate& opened) {
    struct stat now {};
    struct stat then {};
    const std::string path = store.path(name) + "/" + template_file::kState;
    if (::fstat(opened.files.state.get(), &then) < 0) {
        return fail_errno("fstat", "state");
    }
    if (::stat(path.c_str(), &now) < 0 || now.st_ino != then.st_ino || now.st_dev != then.st_dev) {
        return fail(fmt::format("template {}: it was replaced or deleted meanwhile", name));
    }
    return {};
}

}  // namespace

Status compress(const Installation& installation, const NewTemplate& made,
                TemplateManifest& manifest) {
    const OwnFd sparse =
        ANCHORHOLD_TRY(sys::open(made.path(template_file::kMemory), O_RDONLY | O_NOFOLLOW));
    const OwnFd target = ANCHORHOLD_TRY(made.create(template_file::kCompressed));
    ANCHORHOLD_TRY(
        convert_memory(installation, sparse.get(), target.get(), MemoryForm::kCompressed));
    manifest.memory_form = MemoryForm::kCompressed;
    manifest.memory_file = ANCHORHOLD_TRY(sys::bytes_on_disk(target.get(), "memory file"));
    const std::string path = made.path(template_file::kMemory);
    return ::unlink(path.c_str()) < 0 ? Status(fail_errno("unlink", path)) : Status();
}

Result<TemplateManifest> store_as(const TemplateStore& store, const Installation& installation,
                                  const std::string& name, const std::string& digest_cache,
                                  MemoryForm form) {
    const OpenTemplate opened = ANCHORHOLD_TRY(store.open(name, digest_cache));
    TemplateManifest manifest = opened.manifest;
    if (manifest.memory_form == form) {
        return manifest;
    }
    NewTemplate made = ANCHORHOLD_TRY(store.begin(name));
    const SnapshotFiles& files = opened.files;
    ANCHORHOLD_TRY(sys::link_file(files.state.get(), made.path(template_file::kState)));
    ANCHORHOLD_TRY(sys::link_file(files.digests.get(), made.path(template_file::kDigests)));
    if (files.working_set.valid()) {
        ANCHORHOLD_TRY(
            sys::link_file(files.working_set.get(), made.path(template_file::kWorkingSet)));
    }
    if (files.disk.valid()) {
        ANCHORHOLD_TRY(sys::link_file(files.disk.get(), made.path(template_file::kDisk)));
    }
    const OwnFd target = ANCHORHOLD_TRY(made.create(memory_file(form)));
    if (const Status converted =
            convert_memory(installation, files.memory.get(), target.get(), form);
        !converted) {
        return tl::unexpected(converted.error().within("template " + name));
    }
    manifest.memory_form = form;
    manifest.memory_file = ANCHORHOLD_TRY(sys::bytes_on_disk(target.get(), "memory file"));
    ANCHORHOLD_TRY(write_manifest(made, manifest));
    // What is thrown away afterwards is all that this could be made from again.
    ANCHORHOLD_TRY(store.check_memory(name, installation, target.get(), form, files.digests.get()));
    ANCHORHOLD_TRY(check_same(store, name, opened));
    ANCHORHOLD_TRY(made.publish());
    return manifest;
}

}  // namespace anchorhold::supervisor
