/*
 * The first and only process of a guest: loads every program of the objects in /objects from a process with CAP_BPF and
 * CAP_NET_ADMIN alone, says so on the console, and switches the machine off. test/toolchain/stock.ts reads:
 *
 *   guest RELEASE
 *   capabilities CapEff, as /proc has it
 *   loaded OBJECT PROGRAM        one of the two a program
 *   refused OBJECT PROGRAM       followed by the verifier's last words
 *   end
 */
#include <bpf/libbpf.h>

#include <dirent.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAMS_MAX 16
#define NAME_MAX_BYTES 64
#define WORDS_MAX 1200

static char words[1 << 20];
static size_t used;

/* The verifier gives its reason last: everything is kept, the end is shown. */
static int keep(enum libbpf_print_level level, const char *format, va_list arguments)
{
	int length;

	if (level == LIBBPF_DEBUG)
		return 0;
	length = vsnprintf(words + used, sizeof(words) - used, format, arguments);
	if (length > 0)
		used = used + length < sizeof(words) ? used + length : sizeof(words) - 1;
	return 0;
}

static int load(const char *path, const char *name)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	int result;

	used = 0;
	words[0] = 0;
	if (!object)
		return -1;
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, strcmp(bpf_program__name(program), name) == 0);
	result = bpf_object__load(object);
	bpf_object__close(object);
	return result;
}

/* Names of an object's programs; how many. */
static int programs_of(const char *path, char names[PROGRAMS_MAX][NAME_MAX_BYTES])
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	int count = 0;

	if (!object)
		return 0;
	bpf_object__for_each_program(program, object)
		if (count < PROGRAMS_MAX)
			snprintf(names[count++], NAME_MAX_BYTES, "%s", bpf_program__name(program));
	bpf_object__close(object);
	return count;
}

static void load_all(void)
{
	char names[PROGRAMS_MAX][NAME_MAX_BYTES], path[512];
	struct dirent **entries;
	int count = scandir("/objects", &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/objects/%s", entries[i]->d_name);
		int programs = programs_of(path, names);
		for (int k = 0; k < programs; k++) {
			int result = load(path, names[k]);
			printf("%s %s %s\n", result ? "refused" : "loaded", entries[i]->d_name, names[k]);
			if (result)
				printf("%s\n", words + (used > WORDS_MAX ? used - WORDS_MAX : 0));
		}
	}
}

static void confine(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2] = {{0}};
	char line[256];
	FILE *status;

	sets[0].effective = sets[0].permitted = 1u << CAP_NET_ADMIN;
	sets[1].effective = sets[1].permitted = 1u << (CAP_BPF - 32);
	if (syscall(SYS_capset, &head, sets))
		_exit(1);
	status = fopen("/proc/self/status", "r");
	while (status && fgets(line, sizeof(line), status))
		if (strncmp(line, "CapEff:\t", 8) == 0)
			printf("capabilities %s", line + 8);
}

int main(void)
{
	struct utsname system;

	uname(&system);
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, "");
	mkdir("/sys", 0755);
	mount("sysfs", "/sys", "sysfs", 0, "");
	libbpf_set_print(keep);
	printf("\nguest %s\n", system.release);
	fflush(stdout);
	if (fork() == 0) {
		confine();
		load_all();
		printf("end\n");
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	reboot(RB_POWER_OFF);
	return 0;
}
