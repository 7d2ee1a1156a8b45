package config

import "hobnail/internal/model"

func (d *draft) readServer(s section) {
	c := &d.cfg.Server
	if v, ok := one(s, "name", parseName); ok {
		c.Name = v.v
	}
	if v, ok := one(s, "data", parseAbsolute); ok {
		c.Data = v.v
		c.NBP = v.v + "/nbp"
	}
	if v, ok := one(s, "nbp", pathUnder(c.Data)); ok {
		c.NBP = v.v
	}
	if v, ok := one(s, "landlock", parseSwitch); ok {
		c.Landlock = v.v
	}
	c.DBX = values(some(s, "dbx", pathUnder(c.Data)))
	c.AllowRevoked = values(some(s, "allow_revoked", parseProgram))
	c.Interfaces = values(some(s, "interfaces", parseInterface))
	if v, ok := one(s, "address", parseAddr); ok {
		c.Address = v.v
	}
	if v, ok := one(s, "http", parseListen(`":8080"`)); ok {
		c.HTTP, c.HTTPPort = v.v, httpPort(v.v)
	}
	if v, ok := one(s, "metrics", parseListen(`"127.0.0.1:9167"`)); ok {
		c.Metrics = v.v
	}
	d.dhcp = located[model.Mode]{v: c.DHCP}
	if v, ok := one(s, "dhcp", parseMode); ok {
		c.DHCP, c.DHCPAt = v.v, d.src.at(v.at)
		d.dhcp = v
	}
	d.upstream = d.servers(s, "upstream")
	c.Upstream = values(d.upstream)
	c.Options = d.readOptions(s)
	if v, ok := one(s, "share", parseShare); ok {
		c.Share = v.v
	}
}

func (d *draft) readBoot(s section) {
	c := &d.cfg.Boot
	if v, ok := d.target(s, "unknown", model.TargetMenu, model.TargetLocal, model.TargetDeny); ok {
		c.Unknown, c.UnknownAt = v.v, d.src.at(v.at)
	}
	if v, ok := d.target(s, "default", model.TargetLocal); ok {
		c.Default = v.v
	}
	if v, ok := one(s, "timeout", parseTimeout); ok {
		c.Timeout = v.v
	}
}
