// Small templates for the store's tests: real files in real formats, no guest in them.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>

#include "base/sys.h"
#include "erofs_image.h"
#include "snapshot/memory_digests.h"
#include "snapshot/state_file.h"
#include "supervisor/audit/file_digest.h"
#include "supervisor/templates/template_store.h"
#include "temporary_folder.h"

namespace anchorhold::supervisor {

constexpr uint64_t kTemplateMemory = uint64_t{64} << 20;
constexpr uint64_t kTemplateDisk = uint64_t{16} << 20;

// A folder with an image, a digest cache and a store.
class StoreHome {
  public:
    StoreHome() : image_(folder_.write("image.erofs", erofs_image())) {}

    [[nodiscard]] TemplateStore store() const { return TemplateStore(templates()); }
    [[nodiscard]] std::string templates() const { return folder_.path() + "/templates"; }
    [[nodiscard]] std::string cache() const { return folder_.path() + "/digests"; }
    // Where the pager is.
    [[nodiscard]] static Installation installation() {
        Installation installation;
        installation.library = LIBRARY;
        return installation;
    }
    [[nodiscard]] const std::string& image() const { return image_; }
    [[nodiscard]] std::string file(const std::string& name, const char* which) const {
        return templates() + "/" + name + "/" + which;
    }

    // Writes everything that a template has; `mark` is in its state, memory, disk and manifest.
    Status fill(const NewTemplate& made, const std::string& name, const std::string& mark) const {
        const OwnFd state = ANCHORHOLD_TRY(made.create(template_file::kState));
        ANCHORHOLD_TRY(sys::write_all(state.get(), std::string_view(snapshot::seal_state(mark))));
        const OwnFd memory = ANCHORHOLD_TRY(made.create(template_file::kMemory, kTemplateMemory));
        ANCHORHOLD_TRY(sys::write_all(memory.get(), mark));
        const OwnFd disk = ANCHORHOLD_TRY(made.create(template_file::kDisk, kTemplateDisk));
        ANCHORHOLD_TRY(sys::write_all(disk.get(), mark));
        const auto digests = ANCHORHOLD_TRY(snapshot::compute_digests(memory.get()));
        const OwnFd table = ANCHORHOLD_TRY(made.create(template_file::kDigests));
        ANCHORHOLD_TRY(sys::write_all(table.get(), std::string_view(snapshot::seal(digests))));
        TemplateManifest manifest;
        manifest.name = name;
        manifest.image = image_;
        manifest.image_digest = ANCHORHOLD_TRY(file_digest(image_, cache()));
        manifest.shape = {1, kTemplateMemory, 2};
        manifest.disk_bytes = kTemplateDisk;
        manifest.disk_digest = ANCHORHOLD_TRY(disk_digest(disk.get()));
        manifest.created = mark;
        const OwnFd text = ANCHORHOLD_TRY(made.create(template_file::kManifest));
        return sys::write_all(text.get(), std::string_view(to_json(manifest)));
    }

    Status make(const std::string& name, const std::string& mark) const {
        NewTemplate made = ANCHORHOLD_TRY(store().begin(name));
        ANCHORHOLD_TRY(fill(made, name, mark));
        return made.publish();
    }

    // The mark of what is found under a name when it is whole; an error otherwise.
    [[nodiscard]] Result<std::string> mark_of(const std::string& name) const {
        const OpenTemplate opened = ANCHORHOLD_TRY(store().open(name, cache()));
        ANCHORHOLD_TRY(store().verify(name, cache(), installation()));
        const std::string mark = opened.manifest.created;
        if (ANCHORHOLD_TRY(snapshot::read_state(opened.files.state.get())) != mark) {
            return fail("its state is not that of its manifest");
        }
        for (const OwnFd* file : {&opened.files.memory, &opened.files.disk}) {
            std::string begin(mark.size(), '\0');
            ANCHORHOLD_TRY(sys::read_exact_at(file->get(), std::as_writable_bytes(std::span(begin)),
                                              0, "template"));
            if (begin != mark) {
                return fail("its memory or disk is not that of its manifest");
            }
        }
        return mark;
    }

    // What lies in the store's folder.
    [[nodiscard]] std::set<std::string> entries() const {
        std::set<std::string> names;
        std::error_code none;
        for (const auto& entry : std::filesystem::directory_iterator(templates(), none)) {
            names.insert(entry.path().filename());
        }
        return names;
    }

  private:
    TemporaryFolder folder_;
    std::string image_;
};

}  // namespace anchorhold::supervisor
