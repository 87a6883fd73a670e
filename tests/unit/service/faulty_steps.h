// File steps that stop working after so many: what a crash leaves.
#pragma once

#include <cstddef>

#include "base/sys.h"
#include "supervisor/service/file_steps.h"

namespace anchorhold::service {

class FaultySteps final : public FileSteps {
  public:
    // The step with this number (from 0) and all after it fail; a write that fails leaves half.
    void fail_from(size_t step) {
        fails_from_ = step;
        taken_ = 0;
    }
    void work() { fails_from_ = SIZE_MAX; }
    [[nodiscard]] size_t taken() const { return taken_; }

    Status make_folder(const std::string& path) override {
        return next() ? FileSteps::make_folder(path) : stopped();
    }
    Status write_file(const std::string& path, std::string_view bytes) override {
        if (next()) {
            return FileSteps::write_file(path, bytes);
        }
        if (taken_ == fails_from_ + 1) {
            [[maybe_unused]] const Status half =
                FileSteps::write_file(path, bytes.substr(0, bytes.size() / 2));
        }
        return stopped();
    }
    Status sync_file(const std::string& path) override {
        return next() ? FileSteps::sync_file(path) : stopped();
    }
    Status rename(const std::string& from, const std::string& to) override {
        return next() ? FileSteps::rename(from, to) : stopped();
    }
    Status remove_tree(const std::string& path) override {
        return next() ? FileSteps::remove_tree(path) : stopped();
    }

  private:
    bool next() { return taken_++ < fails_from_; }
    static Status stopped() { return fail("stopped here", 5); }

    size_t fails_from_ = SIZE_MAX;
    size_t taken_ = 0;
};

}  // namespace anchorhold::service
