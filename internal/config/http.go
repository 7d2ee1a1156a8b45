package config

func (d *draft) readHTTP(s section) {
	c := &d.cfg.HTTP
	if v, ok := one(s, "rate", parseRate); ok {
		c.MaxRate = v.v
	}
	if v, ok := one(s, "rate_per_client", parseRate); ok {
		c.MaxClientRate = v.v
	}
}
