//! Documents as drivers 510 and 550 write them, shortened.

use super::*;
use proptest::prelude::*;

const DOCUMENT: &str = r#"<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v11.dtd">
<nvidia_smi_log>
	<timestamp>Fri Jan 27 11:32:31 2023</timestamp>
	<driver_version>510.47.03</driver_version>
	<attached_gpus>2</attached_gpus>
	<gpu id="00000000:00:04.0">
		<product_name>NVIDIA A100-SXM4-40GB</product_name>
		<mig_mode>
			<current_mig>Enabled</current_mig>
			<pending_mig>Enabled</pending_mig>
		</mig_mode>
		<mig_devices>
			<mig_device>
				<index>0</index>
				<gpu_instance_id>1</gpu_instance_id>
				<compute_instance_id>0</compute_instance_id>
				<device_attributes>
					<shared>
						<multiprocessor_count>42</multiprocessor_count>
					</shared>
				</device_attributes>
				<fb_memory_usage>
					<total>19968 MiB</total>
					<reserved>0 MiB</reserved>
					<used>14366 MiB</used>
					<free>5602 MiB</free>
				</fb_memory_usage>
				<bar1_memory_usage>
					<total>32767 MiB</total>
					<used>4 MiB</used>
					<free>32763 MiB</free>
				</bar1_memory_usage>
			</mig_device>
			<mig_device>
				<index>1</index>
				<gpu_instance_id>5</gpu_instance_id>
				<compute_instance_id>0</compute_instance_id>
				<fb_memory_usage>
					<total>19968 MiB</total>
					<used>N/A</used>
				</fb_memory_usage>
			</mig_device>
		</mig_devices>
		<uuid>GPU-27b94a00-ed54-5c24-b1fd-1054085de32a</uuid>
		<clocks_throttle_reasons>
			<clocks_throttle_reason_applications_clocks_setting>Not Active
			</clocks_throttle_reason_applications_clocks_setting>
		</clocks_throttle_reasons>
		<fb_memory_usage>
			<total>40960 MiB</total>
			<used>38 MiB</used>
		</fb_memory_usage>
	</gpu>
	<gpu id="00000000:00:05.0">
		<product_name>NVIDIA L4</product_name>
		<mig_devices>
			None
		</mig_devices>
		<uuid>GPU-22</uuid>
		<processes/>
	</gpu>
</nvidia_smi_log>
"#;

#[test]
fn each_slice_has_its_own_memory() {
    let found = slices(DOCUMENT);
    let [first, second] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((first.of.as_str(), first.name.as_str()), ("GPU-27b94a00-ed54-5c24-b1fd-1054085de32a", "NVIDIA A100-SXM4-40GB"));
    assert_eq!((first.index, first.instance), (0, (1, 0)));
    assert_eq!((first.memory_bytes, first.memory_total_bytes), (Some(14_366 << 20), Some(19_968 << 20)));
    assert_eq!((second.of.as_str(), second.index, second.instance), (first.of.as_str(), 1, (5, 0)));
    assert_eq!((second.memory_bytes, second.memory_total_bytes), (None, Some(19_968 << 20)));
}

#[test]
fn what_is_broken_off_or_odd_is_no_slice() {
    assert_eq!(slices(DOCUMENT.split_once("<uuid>").unwrap().0), []);
    for text in ["", "No devices were found", "<a", "<<<>>>", "</gpu>", "<nvidia_smi_log><gpu></nvidia_smi_log>", &"<a>".repeat(1 << 16)] {
        assert_eq!(slices(text), [], "{text:.40}");
    }
}

proptest! {
    #[test]
    fn no_document_is_too_odd(cut in 0..DOCUMENT.len(), length in 0_usize..200, with in "[<>/a-z \n]{0,30}") {
        let (from, to) = (DOCUMENT.floor_char_boundary(cut), DOCUMENT.floor_char_boundary(cut + length));
        let text = [&DOCUMENT[..from], &with, &DOCUMENT[to..]].concat();
        prop_assert!(slices(&text).len() <= 3);
    }
}
