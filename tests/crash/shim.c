/* Preloaded into the service (LD_PRELOAD, Linux with glibc), this replaces the C library's functions that change files, and
 * watches the database of DISK_DATABASE: the file, its -wal, -shm and -journal, and their folder.
 *
 * - DISK_JOURNAL: a file to which every change of a watched file, every sync and every answer to a client is appended, in
 *   the order in which they happened. See `append`.
 * - DISK_KILL_AT: once the journal has so many bytes, the program is killed between the write of a commit and its sync.
 * - DISK_CONTROL: a file of 32-bit numbers in the machine's byte order, which the test changes while the program runs, for
 *   faults on demand. See `struct control`.
 *
 * It is C because it is nothing but the C library's own interface; the test builds it with the compiler that SQLite needs,
 * too. Every call ends in the system call itself. What goes past the C library is not seen: writes to mapped memory (which
 * the service does to -shm alone, and that need not survive) and system calls made directly. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* What a watched file is for. The numbers stand in the journal and, as bits, in the control file. */
enum kind { NONE, DATABASE, WAL, SHM, ROLLBACK, FOLDER, UNFINISHED, KINDS };

enum event { WRITE = 1, TRUNCATE, SYNC_BEGIN, SYNC_END, SYNC_FAILED, CREATE, UNLINK, SENT, LINK, START };

/* A file, which is not its name: one that is removed and made again has the next number. */
struct file {
	uint32_t kind;
	uint32_t number;
};

/* The control file, by its numbers' indexes. */
struct control {
	_Atomic uint32_t what;     /* 0: what fails: 0 nothing, 1 writes (also making and cutting files), 2 syncs */
	_Atomic uint32_t kinds;    /* 1: the kinds of files that it fails for, as bits */
	_Atomic uint32_t error;    /* 2: with which errno */
	_Atomic uint32_t nth;      /* 3: the first call that fails, from 1 */
	_Atomic uint32_t forever;  /* 4: whether all calls after it fail, too */
	_Atomic uint32_t drops;    /* 5: whether a failed sync loses what was not synced before, as on Linux: the pages
	                                 count as clean from then on */
	_Atomic uint32_t calls;    /* 6: how many calls there were since `what` was set */
	_Atomic uint32_t failed;   /* 7: how many of them failed */
	_Atomic uint32_t stall_ms; /* 8: how long each read of the database file and its log takes, in milliseconds */
};

enum { WRITES = 1, SYNCS = 2 };

/* Ends the program: a test that cannot see everything must not go on as if it could. */
static _Noreturn void give_up(const char *why) {
	struct iovec parts[] = {{"disk-shim: ", 11}, {(void *)why, strlen(why)}, {"\n", 1}};
	syscall(SYS_writev, 2, parts, 3);
	abort();
}

/* Opens a file of the test's, which is not watched. */
static int open_own(const char *path, int flags) {
	int fd = syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		give_up("a file of the shim's cannot be opened");
	return fd;
}

/* While it is held, nothing else happens: a change and its record are one. */
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

/* ---- Settings, read once. ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char *names[FOLDER + 1];
static int journal = -1;
static long long kill_at = -1;
static struct control *control;

static void record(enum event event, struct file file, uint64_t offset, const void *data, size_t length);

static char *joined(const char *name, const char *suffix) {
	char *path = malloc(strlen(name) + strlen(suffix) + 1);
	if (!path)
		give_up("no memory");
	return strcat(strcpy(path, name), suffix);
}

static void read_settings(void) {
	const char *database = getenv("DISK_DATABASE");
	if (database) {
		const char *suffixes[] = {"", "-wal", "-shm", "-journal"};
		for (int kind = DATABASE; kind <= ROLLBACK; kind++)
			names[kind] = joined(database, suffixes[kind - DATABASE]);
		names[FOLDER] = joined(database, "");
		char *slash = strrchr(names[FOLDER], '/');
		if (!slash)
			give_up("DISK_DATABASE is no full path");
		*slash = 0;
	}
	const char *path = getenv("DISK_JOURNAL");
	if (path) {
		journal = open_own(path, O_CREAT | O_WRONLY | O_APPEND);
		/* The program was started. From here on the files' numbers count from 0 again. */
		record(START, (struct file){NONE, 0}, 0, NULL, 0);
	}
	const char *bytes = getenv("DISK_KILL_AT");
	if (bytes)
		kill_at = atoll(bytes);
	path = getenv("DISK_CONTROL");
	if (path) {
		int fd = open_own(path, O_RDWR);
		void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (mapped == MAP_FAILED)
			give_up("the control file cannot be mapped");
		control = mapped;
	}
}

static void settings(void) {
	pthread_once(&once, read_settings);
}

/* ---- Which files and descriptors are watched. ---- */

enum { FDS_MAX = 4096 };

/* The newest number of each kind. */
static _Atomic uint32_t newest[KINDS];
/* For each descriptor its file's number and kind; 0 where it is not watched. */
static _Atomic uint64_t fds[FDS_MAX];
/* How many syncs of a file have failed, and how many of them each descriptor has reported. Linux reports an error once on
 * each descriptor that was open then. */
static _Atomic uint32_t sync_errors[KINDS];
static _Atomic uint32_t sync_errors_seen[FDS_MAX];

static struct file newest_of(uint32_t kind) {
	return (struct file){kind, newest[kind]};
}

/* A new file has this kind's name from now on. */
static struct file made(uint32_t kind) {
	newest[kind]++;
	return newest_of(kind);
}

static uint32_t kind_of(const char *path) {
	settings();
	if (!names[DATABASE])
		return NONE;
	for (int kind = DATABASE; kind <= FOLDER; kind++)
		if (!strcmp(path, names[kind]))
			return kind;
	size_t length = strlen(path), end = strlen(".unfinished");
	int is_unfinished = !strncmp(path, names[DATABASE], strlen(names[DATABASE])) && length > end &&
	                    !strcmp(path + length - end, ".unfinished");
	return is_unfinished ? UNFINISHED : NONE;
}

static struct file watch(int fd, uint32_t kind, int is_new) {
	struct file file = is_new ? made(kind) : newest_of(kind);
	if (fd >= FDS_MAX)
		give_up("more descriptors than can be watched");
	sync_errors_seen[fd] = sync_errors[kind];
	fds[fd] = (uint64_t)file.number << 8 | kind;
	return file;
}

static struct file file_of(int fd) {
	uint64_t value = fd >= 0 && fd < FDS_MAX ? fds[fd] : 0;
	return (struct file){value & 0xFF, value >> 8};
}

/* ---- The journal. ---- */

/* A record is 24 bytes (event, kind, two zeros, the file's number, the length of the data, four zeros, the offset; all
 * little-endian) and its data. */
static void record(enum event event, struct file file, uint64_t offset, const void *data, size_t length) {
	if (journal < 0)
		return;
	unsigned char *bytes = calloc(1, 24 + length);
	if (!bytes)
		give_up("no memory");
	uint32_t length32 = length;
	bytes[0] = event;
	bytes[1] = file.kind;
	memcpy(bytes + 4, &file.number, 4);
	memcpy(bytes + 8, &length32, 4);
	memcpy(bytes + 16, &offset, 8);
	if (length)
		memcpy(bytes + 24, data, length);
	if (syscall(SYS_write, journal, bytes, 24 + length) != (long)(24 + length))
		give_up("the journal cannot be written");
	free(bytes);
}

/* Appends a record. Only for who holds the order: then no other change is under way, and none that was made is missing in
 * the journal when the program is killed. */
static void append(enum event event, struct file file, uint64_t offset, const void *data, size_t length) {
	/* Where the last write to the log went; one to its beginning is of its header. */
	static uint64_t log_offset;

	record(event, file, offset, data, length);
	if (file.kind != WAL)
		return;
	if (event == WRITE)
		log_offset = offset;
	int is_commit = event == SYNC_BEGIN && log_offset > 0;
	if (is_commit && journal >= 0 && kill_at >= 0 && syscall(SYS_lseek, journal, 0, SEEK_END) >= kill_at)
		kill(getpid(), SIGKILL);
}

/* Notes what goes to a client, before it goes: from here on it may have been seen. */
static void sent(int fd, const void *data, size_t length) {
	enum { HEAD_MAX = 1024 };
	struct stat status;

	settings();
	if (journal < 0 || fstat(fd, &status) || !S_ISSOCK(status.st_mode))
		return;
	pthread_mutex_lock(&order);
	record(SENT, (struct file){NONE, 0}, 0, data, length < HEAD_MAX ? length : HEAD_MAX);
	pthread_mutex_unlock(&order);
}

/* ---- Faults on demand. ---- */

/* The error that this call is to fail with; 0 for none. */
static int fault(uint32_t what, uint32_t kind) {
	settings();
	if (!control || control->what != what || !(control->kinds & 1u << kind))
		return 0;
	uint32_t call = ++control->calls, nth = control->nth;
	if (call != nth && !(call > nth && control->forever))
		return 0;
	control->failed++;
	return control->error;
}

/* What stood where something not yet synced was written, in that order. For who holds the order. */
static struct old {
	struct file file;
	off_t offset;
	size_t length;
	unsigned char *data;
} *unsynced;
static size_t unsynced_count, unsynced_max;

static int is_same(struct file a, struct file b) {
	return a.kind == b.kind && a.number == b.number;
}

/* Keeps what stands where something is about to be written. What lies behind the file's end counts as zeros. */
static void remember(int fd, struct file file, off_t offset, size_t length) {
	if (!control || !control->drops)
		return;
	if (unsynced_count == unsynced_max) {
		unsynced_max = unsynced_max * 2 + 64;
		unsynced = realloc(unsynced, unsynced_max * sizeof *unsynced);
	}
	unsigned char *data = calloc(1, length + 1);
	if (!unsynced || !data)
		give_up("no memory");
	syscall(SYS_pread64, fd, data, length, offset);
	unsynced[unsynced_count++] = (struct old){file, offset, length, data};
}

/* The file is synced. */
static void forget(struct file file) {
	size_t kept = 0;
	for (size_t index = 0; index < unsynced_count; index++) {
		if (is_same(unsynced[index].file, file))
			free(unsynced[index].data);
		else
			unsynced[kept++] = unsynced[index];
	}
	unsynced_count = kept;
}

/* Puts back what stood there when the file was last synced, the newest first. */
static void drop_unsynced(int fd, struct file file) {
	if (!control || !control->drops)
		return;
	/* A sync may come through a descriptor that cannot write. This one stays open: to close it would release the locks
	 * that the program has on the file. */
	char path[32];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int writable = open_own(path, O_RDWR);
	for (size_t index = unsynced_count; index-- > 0;) {
		struct old *old = &unsynced[index];
		if (is_same(old->file, file) &&
		    syscall(SYS_pwrite64, writable, old->data, old->length, old->offset) != (long)old->length)
			give_up("what was there before cannot be put back");
	}
	forget(file);
}

static void stall(int fd) {
	uint32_t kind = file_of(fd).kind;
	uint32_t ms = control && (kind == DATABASE || kind == WAL) ? control->stall_ms : 0;
	if (ms) {
		struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
		nanosleep(&time, NULL);
	}
}

static int fail(int error) {
	errno = error;
	return -1;
}

/* ---- The C library's functions. ---- */

static int open_file(int folder, const char *path, int flags, mode_t mode) {
	uint32_t kind = kind_of(path);
	flags |= O_LARGEFILE;
	if (kind == NONE)
		return syscall(SYS_openat, folder, path, flags, mode);
	pthread_mutex_lock(&order);
	int is_new = flags & O_CREAT && syscall(SYS_faccessat, folder, path, F_OK);
	int error = is_new ? fault(WRITES, kind) : 0;
	int fd = error ? fail(error) : syscall(SYS_openat, folder, path, flags, mode);
	if (fd >= 0) {
		struct file file = watch(fd, kind, is_new);
		if (is_new)
			append(CREATE, file, 0, NULL, 0);
		if (flags & O_TRUNC)
			append(TRUNCATE, file, 0, NULL, 0);
	}
	pthread_mutex_unlock(&order);
	return fd;
}

#define MODE(last)                                                                                                         \
	mode_t mode = 0;                                                                                                   \
	if (flags & (O_CREAT | O_TMPFILE)) {                                                                               \
		va_list arguments;                                                                                         \
		va_start(arguments, last);                                                                                 \
		mode = va_arg(arguments, mode_t);                                                                          \
		va_end(arguments);                                                                                         \
	}

int open(const char *path, int flags, ...) {
	MODE(flags)
	return open_file(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
	MODE(flags)
	return open_file(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...) {
	MODE(flags)
	return open_file(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...) {
	MODE(flags)
	return open_file(folder, path, flags, mode);
}

int close(int fd) {
	if (fd >= 0 && fd < FDS_MAX)
		fds[fd] = 0;
	return syscall(SYS_close, fd);
}

/* Writes, or fails as told: then half of it is written, as a full or broken disk may leave it. */
static ssize_t write_file(int fd, struct file file, const void *data, size_t length, off_t offset, int moves) {
	pthread_mutex_lock(&order);
	remember(fd, file, offset, length);
	int error = fault(WRITES, file.kind);
	if (error)
		length /= 2;
	ssize_t written = moves ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, offset);
	int errno_of_write = errno;
	if (written >= 0)
		append(WRITE, file, offset, data, written);
	pthread_mutex_unlock(&order);
	errno = errno_of_write;
	return error ? fail(error) : written;
}

ssize_t write(int fd, const void *data, size_t length) {
	struct file file = file_of(fd);
	if (file.kind != NONE)
		return write_file(fd, file, data, length, syscall(SYS_lseek, fd, 0, SEEK_CUR), 1);
	sent(fd, data, length);
	return syscall(SYS_write, fd, data, length);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off_t offset) {
	struct file file = file_of(fd);
	if (file.kind != NONE)
		return write_file(fd, file, data, length, offset, 0);
	return syscall(SYS_pwrite64, fd, data, length, offset);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
	return pwrite64(fd, data, length, offset);
}

/* The service writes to sockets with it, never to a watched file. The head of an answer is in the first part. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
	if (file_of(fd).kind != NONE)
		give_up("writev to a watched file");
	if (count > 0)
		sent(fd, parts[0].iov_base, parts[0].iov_len);
	return syscall(SYS_writev, fd, parts, count);
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
	sent(fd, data, length);
	return syscall(SYS_sendto, fd, data, length, flags, NULL, 0);
}

ssize_t read(int fd, void *data, size_t length) {
	stall(fd);
	return syscall(SYS_read, fd, data, length);
}

ssize_t pread64(int fd, void *data, size_t length, off_t offset) {
	stall(fd);
	return syscall(SYS_pread64, fd, data, length, offset);
}

ssize_t pread(int fd, void *data, size_t length, off_t offset) {
	return pread64(fd, data, length, offset);
}

/* A sync has two events, for what is written while it runs may have missed it. */
static int sync_file(int fd, long call) {
	struct file file = file_of(fd);
	if (file.kind == NONE)
		return syscall(call, fd);
	pthread_mutex_lock(&order);
	append(SYNC_BEGIN, file, 0, NULL, 0);
	int error = fault(SYNCS, file.kind);
	if (error) {
		sync_errors[file.kind]++;
		drop_unsynced(fd, file);
	} else if (sync_errors_seen[fd] != sync_errors[file.kind]) {
		error = EIO;
	}
	if (error) {
		sync_errors_seen[fd] = sync_errors[file.kind];
		append(SYNC_FAILED, file, 0, NULL, 0);
		pthread_mutex_unlock(&order);
		return fail(error);
	}
	pthread_mutex_unlock(&order);
	if (syscall(call, fd))
		return -1;
	pthread_mutex_lock(&order);
	/* Another sync of the file may have failed meanwhile, and lost what this one was to sync. Linux looks for errors when a
	 * sync ends, so it reports them here. */
	if (sync_errors_seen[fd] != sync_errors[file.kind]) {
		sync_errors_seen[fd] = sync_errors[file.kind];
		append(SYNC_FAILED, file, 0, NULL, 0);
		pthread_mutex_unlock(&order);
		return fail(EIO);
	}
	append(SYNC_END, file, 0, NULL, 0);
	forget(file);
	pthread_mutex_unlock(&order);
	return 0;
}

int fsync(int fd) {
	return sync_file(fd, SYS_fsync);
}

int fdatasync(int fd) {
	return sync_file(fd, SYS_fdatasync);
}

int ftruncate64(int fd, off_t length) {
	struct file file = file_of(fd);
	if (file.kind == NONE)
		return syscall(SYS_ftruncate, fd, length);
	pthread_mutex_lock(&order);
	int error = fault(WRITES, file.kind);
	int truncated = error ? fail(error) : syscall(SYS_ftruncate, fd, length);
	if (!truncated)
		append(TRUNCATE, file, length, NULL, 0);
	pthread_mutex_unlock(&order);
	return truncated;
}

int ftruncate(int fd, off_t length) {
	return ftruncate64(fd, length);
}

int unlink(const char *path) {
	uint32_t kind = kind_of(path);
	if (kind == NONE)
		return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	pthread_mutex_lock(&order);
	int unlinked = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	if (!unlinked)
		append(UNLINK, newest_of(kind), 0, NULL, 0);
	pthread_mutex_unlock(&order);
	return unlinked;
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
	uint32_t from_kind = kind_of(from), to_kind = kind_of(to);
	pthread_mutex_lock(&order);
	int linked = syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
	if (!linked && to_kind != NONE) {
		if (from_kind != UNFINISHED || to_kind != DATABASE)
			give_up("a watched file has a second name");
		/* The unfinished database, whose number stands for the offset, has the name of this file. */
		append(LINK, made(to_kind), newest_of(UNFINISHED).number, NULL, 0);
	}
	pthread_mutex_unlock(&order);
	return linked;
}

/* A watched file is never renamed, or the journal would have to know. */
int rename(const char *from, const char *to) {
	if (kind_of(from) != NONE || kind_of(to) != NONE)
		give_up("a watched file is renamed");
	return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
