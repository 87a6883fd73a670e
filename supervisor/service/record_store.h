// Records on disk: one folder for each named sandbox, and in it record.json, its disk and its
// snapshot. Whatever step a crash comes between, the next start finds the old record or the new
// one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "supervisor/service/file_steps.h"
#include "supervisor/service/record.h"

namespace anchorhold::service {

// Belongs to one thread. Every call that returns success has reached the disk.
class RecordStore {
  public:
    // Makes `folder` where it is missing and takes its lock for as long as this lives: the error
    // says so where another supervisor has it (code EBUSY). `steps` outlives the store.
    static Result<std::unique_ptr<RecordStore>> open(const std::string& folder, FileSteps& steps);

    struct Loaded {
        std::vector<Record> records;       // by name
        std::vector<std::string> damaged;  // names, and why they cannot be read; left as they are
    };
    // Reads every record, and removes what never became a sandbox or is one no more.
    Result<Loaded> load();

    // A new sandbox's folder and first record. The error's code is EEXIST where the name is taken.
    Status create(const Record& record);
    // Replaces the record.
    Status save(const Record& record);
    // Removes the sandbox's folder. It is gone for the next start as soon as this begins to take
    // effect; what cannot be removed then is removed later.
    Status remove(const std::string& name);
    // A folder or file below the sandbox's.
    Status remove_part(const std::string& name, const std::string& part);

    [[nodiscard]] std::string folder_of(const std::string& name) const;

  private:
    RecordStore(std::string folder, FileSteps& steps, OwnFd lock);
    Status write_record(const Record& record);

    std::string folder_;
    FileSteps& steps_;
    OwnFd lock_;
};

}  // namespace anchorhold::service
