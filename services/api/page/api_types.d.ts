// Made by `make types` from the description of the API.

export type AcceptedPlate = {
  plate: string;
  distance: number;
  differs: number[];
};

export type AccessEntry = {
  id: number;
  at: string;
  who: string;
  action: string;
  segment_id: string | null;
  purpose: string | null;
  case: string | null;
  details: { [name: string]: unknown };
};

export type AccessLog = {
  items: AccessEntry[];
  next_before: number | null;
};

export type Acknowledgement = {
  note?: string | null;
};

export type BulkOutcome = {
  id: string;
  ok: boolean;
  problem?: string | null;
};

export type BulkRequest = {
  action: "delete" | "protect" | "unprotect";
  ids: string[];
  note?: string | null;
};

export type BulkResult = {
  items: BulkOutcome[];
  succeeded: number;
  failed: number;
};

export type Calendar = {
  camera_id: string;
  time_zone: string;
  items: CalendarDay[];
  total: number;
};

export type CalendarDay = {
  day: string;
  segments: number;
  bytes: number;
  duration_seconds: number;
};

export type Camera = {
  camera_id: string;
  source: string;
  detect: boolean;
  state: CameraState;
  fps?: number | null;
  width?: number | null;
  height?: number | null;
  frames?: number | null;
  dropped?: number | null;
  bad_frames?: number | null;
  reconnects?: number | null;
  error?: string | null;
  recorded_as?: Codec | null;
  not_copied?: string | null;
  last_frame_at?: string | null;
};

export type CameraDayStats = {
  day: string;
  segments: number;
  bytes: number;
  duration_seconds: number;
  camera_id: string;
};

export type CameraList = {
  items: Camera[];
  total: number;
};

export type CameraRemoval = {
  camera_id: string;
  clips: LeftClips;
  archived: number;
  protected: number;
  left: number;
  complete: boolean;
  kept_days: number | null;
};

export type CameraState = "unknown" | "connecting" | "connected" | "impaired" | "stalled" | "disconnected" | "misconfigured" | "clock_behind" | "clock_ahead";

export type CameraStats = {
  camera_id: string;
  segments: number;
  protected: number;
  protected_bytes: number;
  bytes: number;
  duration_seconds: number;
};

export type CameraTimeline = {
  camera_id: string;
  segments: SegmentBars;
  passes: PassMarks;
  gaps: GapBars;
};

export type Capacity = {
  limited_by: "retention_bytes" | "disk" | null;
  limit_bytes: number | null;
  free_bytes: number | null;
  bytes_per_day: number | null;
  days_left: number | null;
};

export type CleanupRequest = {
  retention_days?: number | null;
  dry_run?: boolean | null;
  confirm?: boolean | null;
};

export type Codec = "h264" | "hevc" | "av1" | "mp4v" | "mjpeg" | "copy";

export type Configuration = {
  items: EffectiveSetting[];
  total: number;
};

export type DayStats = {
  day: string;
  segments: number;
  bytes: number;
  duration_seconds: number;
};

export type DependencyHealth = {
  name: string;
  up: boolean;
  latency_ms: number | null;
  version: string | null;
  wrong: WrongSetting[];
};

export type DeploymentHealth = {
  problems: HealthProblem[];
  dependencies: DependencyHealth[];
  queues: QueueHealth[];
  cameras: { [name: string]: number };
  frames_lost_today: number | null;
};

export type DetectionInSegment = {
  detection_id: string;
  captured_at: string;
  confidence: number;
  plate: string | null;
  bbox: number[] | null;
  attributes: { [name: string]: unknown };
  offset_ms: number;
  contains: boolean;
};

export type DetectionOutcome = "pending" | "recorded" | "below_threshold" | "buffer_expired" | "ignored" | "quiet" | "rejected";

export type DetectionPage = {
  items: FoundDetection[];
  total: number;
  more_than_total: boolean;
  next_cursor: string | null;
};

export type DetectionReceipt = {
  detection_id: string;
  camera_id: string;
  captured_at: string;
  outcome: string;
};

export type DetectionReceipts = {
  items: DetectionReceipt[];
  total: number;
  skipped?: SkippedResult[];
  pictures_left_out?: PictureLeftOut[];
};

export type DoorReceipts = {
  items: DetectionReceipt[];
  total: number;
  skipped?: SkippedResult[];
  pictures_left_out?: PictureLeftOut[];
  Result?: boolean;
};

export type EffectiveSetting = {
  section: string;
  name: string;
  value: unknown;
  origin: "default" | "file" | "environment" | "made";
};

export type EntryPage = {
  items: ListEntry[];
  total: number;
  next_cursor: string | null;
};

export type EntryPatch = {
  tolerance?: number;
  name?: string | null;
  note?: string | null;
  reason?: string | null;
  priority?: number | null;
  instructions?: string | null;
  cameras?: string[] | null;
  valid_from?: string | null;
  valid_until?: string | null;
  hours?: string | null;
};

export type EntryRequest = {
  tolerance?: number;
  name?: string | null;
  note?: string | null;
  reason?: string | null;
  priority?: number | null;
  instructions?: string | null;
  cameras?: string[] | null;
  valid_from?: string | null;
  valid_until?: string | null;
  hours?: string | null;
  plate: string;
};

export type ErasureRequest = {
  dry_run?: boolean;
};

export type FoundDetection = {
  detection_id: string;
  camera_id: string;
  captured_at: string;
  confidence: number;
  plate: string | null;
  bbox: number[] | null;
  attributes: { [name: string]: unknown };
  outcome: DetectionOutcome;
  reason: string | null;
  pass_id: string | null;
  created_at: string;
};

export type Gap = {
  from: string;
  to: string;
  frames: number;
  cause: string;
  estimated?: boolean;
  detail?: string | null;
};

export type GapBars = {
  segment_ids: string[];
  from_ms: number[];
  to_ms: number[];
  frames: number[];
  cause: string[];
};

export type Health = {
  status: string;
};

export type HealthProblem = {
  severity: Severity;
  what: string;
  what_to_do: string;
  since: string | null;
  camera: string | null;
};

export type IgnoredReads = "kept" | "dropped";

export type ImportReport = {
  dry_run: boolean;
  lines: number;
  added: number;
  changed: number;
  unchanged: number;
  skipped: number;
  problems: LineProblem[];
  overlaps: Overlap[];
};

export type JobState = {
  id: string;
  kind: string;
  params: { [name: string]: unknown };
  state: string;
  requested_by: string;
  requested_at: string;
  started_at: string | null;
  finished_at: string | null;
  progress: { [name: string]: unknown } | null;
  result: { [name: string]: unknown } | null;
  error: string | null;
};

export type Key = {
  id: string;
  name: string;
  role: string;
  lists: boolean;
  cameras: string[] | null;
  created_at: string;
  created_by: string;
  expires_at: string | null;
  revoked_at: string | null;
  last_used_at: string | null;
};

export type KeyList = {
  items: Key[];
  total: number;
};

export type KeyRequest = {
  name: string;
  role?: "viewer" | "operator" | "admin";
  lists?: boolean;
  cameras?: string[] | null;
  expires_at?: string | null;
};

export type LeftClips = "keep" | "delete";

export type LineProblem = {
  line: number;
  message: string;
};

export type ListEntry = {
  id: string;
  plate: string;
  tolerance: number;
  name: string | null;
  note: string | null;
  reason: string | null;
  priority: number | null;
  instructions: string | null;
  cameras: string[] | null;
  valid_from: string | null;
  valid_until: string | null;
  hours: string | null;
};

export type ListKind = "known" | "watch" | "ignore";

export type ListPatch = {
  reads?: IgnoredReads;
  hit_days?: number | null;
  quiet_hours?: string | null;
  cool_down_seconds?: number;
  cameras?: string[] | null;
  time_zone?: string;
};

export type ListRequest = {
  name: string;
  kind: ListKind;
  reads?: IgnoredReads;
  hit_days?: number | null;
  quiet_hours?: string | null;
  cool_down_seconds?: number;
  cameras?: string[] | null;
  time_zone?: string;
};

export type ListedPass = {
  id: string;
  camera_id: string;
  first_at: string;
  last_at: string;
  ended_at: string | null;
  dwell_seconds: number;
  reads: number;
  plate: string | null;
  read_plate: string | null;
  confidence: number;
  best_detection_id: string;
  best_at: string;
  attributes: { [name: string]: unknown };
  recorded: boolean;
  hit: boolean;
  quiet_since: string | null;
  corrected_plate: string | null;
  review: Review | null;
  note: string | null;
  variants: PlateVariant[];
  distance: number;
  lists?: string[] | null;
};

export type ListedSegment = {
  id: string;
  camera_id: string;
  status: SegmentStatus;
  file_path: string;
  thumbnail_path: string | null;
  strip_path: string | null;
  start_time: string;
  end_time: string | null;
  deadline: string;
  trigger_time: string;
  first_frame_at: string | null;
  continues: string | null;
  duration_seconds: number | null;
  file_size_bytes: number | null;
  resolution: string | null;
  archived: boolean;
  protected: boolean;
  note: string | null;
  codec: string;
  fps: number;
  policy: { [name: string]: unknown };
  gaps: Gap[];
  frame_count: number | null;
  frames_lost: number | null;
  pre_roll_requested_seconds: number | null;
  pre_roll_delivered_seconds: number | null;
  sha256: string | null;
  truncated_reason: string | null;
  error: string | null;
  created_at: string;
  updated_at: string;
  detection_ids: string | null;
  plates: string[];
  best_confidence: number | null;
  protected_by: string | null;
  protected_at: string | null;
  archived_by: string | null;
  archived_reason: string | null;
  archived_at: string | null;
  distance: number;
};

export type Login = {
  key: string;
  purpose?: string | null;
  case?: string | null;
};

export type Maker = "hikvision" | "dahua" | "axis" | "milesight" | "openalpr" | "frigate";

export type MissingFootage = {
  segment_id: string;
  from: string;
  to: string;
  frames: number;
  cause: string;
  estimated: boolean;
};

export type MissingFootageList = {
  camera_id: string;
  items: MissingFootage[];
  total: number;
  complete: boolean;
};

export type NewKey = {
  id: string;
  name: string;
  role: string;
  lists: boolean;
  cameras: string[] | null;
  created_at: string;
  created_by: string;
  expires_at: string | null;
  revoked_at: string | null;
  last_used_at: string | null;
  secret: string;
};

export type NewShare = {
  id: string;
  segment_id: string;
  note: string | null;
  created_by: string;
  created_at: string;
  expires_at: string;
  revoked_at: string | null;
  revoked_by: string | null;
  views: number;
  last_seen_at: string | null;
  open: boolean;
  token: string;
  link: string;
};

export type OpenedShare = {
  token: string;
};

export type Order = "-start_time" | "start_time" | "match";

export type Overlap = {
  name: string;
  kind: ListKind;
  entries: number;
  plates: string[];
};

export type PassDetail = {
  id: string;
  camera_id: string;
  first_at: string;
  last_at: string;
  ended_at: string | null;
  dwell_seconds: number;
  reads: number;
  plate: string | null;
  read_plate: string | null;
  confidence: number;
  best_detection_id: string;
  best_at: string;
  attributes: { [name: string]: unknown };
  recorded: boolean;
  hit: boolean;
  quiet_since: string | null;
  corrected_plate: string | null;
  review: Review | null;
  note: string | null;
  variants: PlateVariant[];
  distance: number;
  hits: PassHit[];
  detections: FoundDetection[];
  segments: SegmentOfPass[];
  reviews: ReviewLine[];
};

export type PassHit = {
  id: string;
  list_name: string | null;
  kind: ListKind;
  entry: string | null;
  plate: string;
  distance: number | null;
  detection_id: string;
  at: string;
  name: string | null;
  reason: string | null;
  priority: number | null;
  instructions: string | null;
  alerted: boolean;
  acknowledged_at: string | null;
  acknowledged_by: string | null;
  acknowledged_note: string | null;
};

export type PassMarks = {
  ids: string[];
  first_ms: number[];
  last_ms: number[];
  plates: (string | null)[];
  hit: boolean[];
  recorded: boolean[];
};

export type PassPage = {
  items: ListedPass[];
  total: number;
  more_than_total: boolean;
  next_cursor: string | null;
};

export type PassReview = {
  review?: Review | null;
  plate?: string | null;
  note?: string | null;
};

export type PictureKind = "plate" | "scene";

export type PictureLeftOut = {
  result: number;
  kind: PictureKind;
  reason: string;
};

export type PlateDay = {
  day: string;
  camera_id: string;
  passes: number;
};

export type PlateErasure = {
  dry_run: boolean;
  passes: number;
  reads: number;
  misreads: number;
  pictures: number;
  clips: number;
  clips_kept: number;
  kept: string[];
  refused: RefusedClip[];
  log_lines: number;
  lists: string[];
};

export type PlateHistory = {
  plate: string;
  days: PlateDay[];
  passes: PassPage;
};

export type PlateList = {
  id: string;
  name: string;
  kind: ListKind;
  reads: IgnoredReads;
  hit_days: number | null;
  quiet_hours: string | null;
  cool_down_seconds: number;
  cameras: string[] | null;
  time_zone: string;
  entries: number;
  created_at: string;
  updated_at: string;
};

export type PlateLists = {
  items: PlateList[];
  total: number;
};

export type PlateVariant = {
  plate: string;
  reads: number;
  confidence: number;
  confidence_sum: number;
};

export type Preview = {
  accepted: AcceptedPlate[];
  lists: Overlap[];
  items: SeenPass[];
  total: number;
};

export type PreviewRequest = {
  plate: string;
  tolerance?: number;
  days?: number;
};

export type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
};

export type PurposeRule = "off" | "asked" | "required";

export type QueueHealth = {
  name: string;
  length: number | null;
  oldest_seconds: number | null;
};

export type ReadOrder = "-time" | "time" | "match";

export type Readiness = {
  status: string;
  checks: { [name: string]: string };
  dependencies: DependencyHealth[] | null;
};

export type RedeemedKey = {
  name: string;
  role: string;
  lists: boolean;
  cameras: string[] | null;
  csrf_token: string | null;
  purpose_rule: PurposeRule;
  secret: string;
};

export type Redemption = {
  token: string;
  name: string;
  purpose?: string | null;
  case?: string | null;
};

export type RefusedClip = {
  segment_id: string;
  reason: string;
};

export type Review = "confirmed" | "corrected" | "rejected" | "undone";

export type ReviewLine = {
  at: string;
  who: string;
  review: Review;
  plate: string | null;
  note: string | null;
};

export type SeenPass = {
  pass_id: string;
  camera_id: string;
  first_at: string;
  plate: string;
  distance: number;
};

export type SegmentBars = {
  ids: string[];
  start_ms: number[];
  end_ms: number[];
  status: SegmentStatus[];
  protected: boolean[];
  strip: boolean[];
};

export type SegmentDetail = {
  id: string;
  camera_id: string;
  status: SegmentStatus;
  file_path: string;
  thumbnail_path: string | null;
  strip_path: string | null;
  start_time: string;
  end_time: string | null;
  deadline: string;
  trigger_time: string;
  first_frame_at: string | null;
  continues: string | null;
  duration_seconds: number | null;
  file_size_bytes: number | null;
  resolution: string | null;
  archived: boolean;
  protected: boolean;
  note: string | null;
  codec: string;
  fps: number;
  policy: { [name: string]: unknown };
  gaps: Gap[];
  frame_count: number | null;
  frames_lost: number | null;
  pre_roll_requested_seconds: number | null;
  pre_roll_delivered_seconds: number | null;
  sha256: string | null;
  truncated_reason: string | null;
  error: string | null;
  created_at: string;
  updated_at: string;
  detection_ids: string | null;
  plates: string[];
  best_confidence: number | null;
  protected_by: string | null;
  protected_at: string | null;
  archived_by: string | null;
  archived_reason: string | null;
  archived_at: string | null;
  detections: DetectionInSegment[];
};

export type SegmentOfDetection = {
  id: string;
  camera_id: string;
  status: SegmentStatus;
  file_path: string;
  thumbnail_path: string | null;
  strip_path: string | null;
  start_time: string;
  end_time: string | null;
  deadline: string;
  trigger_time: string;
  first_frame_at: string | null;
  continues: string | null;
  duration_seconds: number | null;
  file_size_bytes: number | null;
  resolution: string | null;
  archived: boolean;
  protected: boolean;
  note: string | null;
  codec: string;
  fps: number;
  policy: { [name: string]: unknown };
  gaps: Gap[];
  frame_count: number | null;
  frames_lost: number | null;
  pre_roll_requested_seconds: number | null;
  pre_roll_delivered_seconds: number | null;
  sha256: string | null;
  truncated_reason: string | null;
  error: string | null;
  created_at: string;
  updated_at: string;
  detection_ids: string | null;
  plates: string[];
  best_confidence: number | null;
  protected_by: string | null;
  protected_at: string | null;
  archived_by: string | null;
  archived_reason: string | null;
  archived_at: string | null;
  offset_ms: number;
  contains: boolean;
};

export type SegmentOfPass = {
  segment_id: string;
  status: SegmentStatus;
  start_time: string;
  duration_seconds: number | null;
  offset_ms: number;
};

export type SegmentPage = {
  items: ListedSegment[];
  total: number;
  next_cursor: string | null;
};

export type SegmentPatch = {
  protected: boolean;
  note?: string | null;
};

export type SegmentStatus = "recording" | "finalizing" | "ready" | "failed" | "expiring" | "expired";

export type SegmentsOfDetection = {
  items: SegmentOfDetection[];
  total: number;
  outcome: string;
  reason: string | null;
};

export type Session = {
  name: string;
  role: string;
  lists: boolean;
  cameras: string[] | null;
  csrf_token: string | null;
  purpose_rule: PurposeRule;
};

export type Severity = "error" | "warning";

export type Share = {
  id: string;
  segment_id: string;
  note: string | null;
  created_by: string;
  created_at: string;
  expires_at: string;
  revoked_at: string | null;
  revoked_by: string | null;
  views: number;
  last_seen_at: string | null;
  open: boolean;
};

export type ShareList = {
  items: Share[];
  total: number;
};

export type ShareRequest = {
  expires_in_hours?: number | null;
  expires_at?: string | null;
  note?: string | null;
};

export type SharedClip = {
  camera_id: string;
  first_frame_at: string | null;
  end_time: string | null;
  duration_seconds: number | null;
  expires_at: string;
};

export type SigningKey = {
  algorithm: string;
  public_key: string;
  fingerprint: string;
};

export type SkippedResult = {
  result: number;
  reason: string;
};

export type Stats = {
  segments: number;
  bytes: number;
  duration_seconds: number;
  average_duration_seconds: number;
  average_bytes: number;
  protected_segments: number;
  protected_bytes: number;
  by_status: { [name: string]: number };
  capacity: Capacity;
  cameras: CameraStats[];
  days: DayStats[];
  camera_days: CameraDayStats[];
  passes: number;
  reads: { [name: string]: number };
};

export type Strip = {
  tile_width: number;
  tile_height: number;
  columns: number;
  first_frame_at: string;
  offsets_ms: number[];
};

export type Timeline = {
  from: string;
  to: string;
  complete: boolean;
  cameras: CameraTimeline[];
};

export type WrongSetting = {
  setting: string;
  found: string;
  severity: Severity;
  mend: string;
};
