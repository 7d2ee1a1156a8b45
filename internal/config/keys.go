package config

// key is one key of a section, with a value that shows its form.
type key struct{ name, example string }

// single and repeats tell the two kinds of sections apart.
func single(section string) bool {
	switch section {
	case "server", "boot", "tftp", "http", "history", "install":
		return true
	}
	return false
}

func repeats(section string) bool {
	switch section {
	case "subnet", "machine", "rule", "image":
		return true
	}
	return false
}

// sections lists the tables of the file.
func sections() []string {
	return []string{"server", "boot", "tftp", "http", "history", "install", "subnet", "machine", "rule", "image"}
}

// keysOf lists what a section, or a rule's match, may hold.
func keysOf(section string) []key {
	switch section {
	case "server":
		return []key{
			{"name", `"boot1"`},
			{"data", `"/var/lib/hobnail"`},
			{"interfaces", `["eth0"]`},
			{"address", `"10.77.1.2"`},
			{"http", `":8080"`},
			{"https", `":8443"`},
			{"https_names", `["boot.example.net"]`},
			{"certificate", `"/etc/ssl/boot1.pem"`},
			{"certificate_key", `"/etc/ssl/private/boot1.key"`},
			{"metrics", `"127.0.0.1:9167"`},
			{"console", `["10.77.1.0/24"]`},
			{"console_names", `["boot.example.net"]`},
			{"dhcp", `"auto"`},
			{"upstream", `["10.77.2.3"]`},
			{"share", `"1/2"`},
			{"nbp", `"/srv/nbp"`},
			{"landlock", `"off"`},
			{"dbx", `["/srv/dbx/x64.bin"]`},
			{"allow_revoked", `["uefi-x64/shimx64.efi"]`},
			{"options", `{ ntp-servers = ["10.77.1.5"] }`},
		}
	case "boot":
		return []key{
			{"unknown", `"menu"`},
			{"default", `"local"`},
			{"timeout", `"10s"`},
			{"local", `"auto"`},
			{"offer", `"auto"`},
			{"learn", `"on"`},
		}
	case "tftp":
		return []key{
			{"answers", `"single-port"`},
			{"transfers", `"16384"`},
			{"transfers_per_client", `"64"`},
			{"rate", `"50MB"`},
			{"rate_per_client", `"5MB"`},
		}
	case "http":
		return []key{
			{"rate", `"50MB"`},
			{"rate_per_client", `"5MB"`},
		}
	case "install":
		return []key{
			{"answers", `"/etc/hobnail/answers"`},
			{"vars", `{ user = "it", ssh_key = "ssh-ed25519 AAAA… it@example.net" }`},
		}
	case "history":
		return []key{
			{"keep", `"off"`},
			{"good", `"14d"`},
			{"failed", `"90d"`},
			{"boots", `"20000"`},
		}
	case "subnet":
		return []key{
			{"cidr", `"10.77.2.0/24"`},
			{"dhcp", `"server"`},
			{"pool", `"10.77.2.50-10.77.2.200"`},
			{"router", `"10.77.2.1"`},
			{"dns", `["10.77.1.2"]`},
			{"ntp", `["10.77.1.2"]`},
			{"domain", `"example.net"`},
			{"lease", `"1h"`},
			{"per_circuit", `"16"`},
			{"upstream", `["10.77.2.3"]`},
			{"next_server", `"10.77.1.2"`},
			{"options", `{ time-servers = ["10.77.1.5"] }`},
			{"probe", `"off"`},
			{"link", `"floor-2"`},
		}
	case "machine":
		return []key{
			{"name", `"lab-01"`},
			{"mac", `"52:54:00:12:34:56"`},
			{"uuid", `"4c4c4544-0043-3010-8052-b4c04f4d3532"`},
			{"client_id", `"0x01525400123456"`},
			{"circuit_id", `"eth0/1/7"`},
			{"relay", `"10.77.2.1"`},
			{"serial", `"J0C2RM2"`},
			{"address", `"10.77.2.10"`},
			{"boot", `"debian-12"`},
			{"loader", `"ipxe"`},
			{"offer", `"menu"`},
			{"learn", `"off"`},
			{"options", `{ ntp-servers = ["10.77.1.5"] }`},
		}
	case "rule":
		return []key{
			{"name", `"the classroom"`},
			{"match", `{ arch = "uefi-x64" }`},
			{"boot", `"debian-12"`},
			{"loader", `"ipxe"`},
			{"local", `"exit"`},
			{"offer", `"menu"`},
			{"learn", `"off"`},
			{"options", `{ ntp-servers = ["10.77.1.5"] }`},
		}
	case "image":
		return []key{
			{"name", `"debian-12"`},
			{"title", `"Debian 12 installer"`},
			{"arch", `"x64"`},
			{"kernel", `"/srv/debian/linux"`},
			{"initrd", `["/srv/debian/initrd.gz"]`},
			{"cmdline", `"console=ttyS0"`},
		}
	}
	return matchKeys()
}

func matchKeys() []key {
	return []key{
		{"mac", `"52:54:00:*"`},
		{"uuid", `"4c4c4544-0043-3010-8052-b4c04f4d3532"`},
		{"arch", `"uefi-x64"`},
		{"firmware", `"http"`},
		{"subnet", `"10.77.2.0/24"`},
		{"relay", `"10.77.2.1"`},
		{"circuit_id", `"eth0/1/7"`},
		{"remote_id", `"0x525400aabbcc"`},
		{"vendor_class", `"PXEClient*"`},
		{"user_class", `"iPXE"`},
		{"machine", `"lab-01"`},
	}
}

func names(keys []key) []string {
	var list []string
	for _, k := range keys {
		list = append(list, k.name)
	}
	return list
}
