package config

// check compares the sections with each other, once all are read.
func (d *draft) check() {
	for _, n := range d.subnets {
		d.checkSubnet(n)
	}
	d.checkOverlap()
	d.checkServing()
	d.checkMachines()
	d.checkImages()
	d.checkTargets()
	d.checkRules()
}
